#!lua flags=allow-oom
-- Gives an ended session back that its archivist could not take: another one may claim it at once. The token's major
-- stays, so that the next one is greater.
-- KEYS[1] session   KEYS[2] arc
-- ARGV[1] id   ARGV[2] major of the token   ARGV[3] its random part
-- Returns {1} given back; {0} another token is current, or it is gone
local h = redis.call('HMGET', KEYS[1], 'ct', 'cr')
if h[1] ~= ARGV[2] or h[2] ~= ARGV[3] then return {0} end
redis.call('HDEL', KEYS[1], 'co', 'cr')
redis.call('ZADD', KEYS[2], 'XX', 0, ARGV[1])
return {1}
