#!lua flags=allow-oom
-- Takes a session from an archivist that is lost: what it had only claimed may be claimed by another one at once; of
-- what it had archived the tombstone says that it is lost.
-- KEYS[1] session   KEYS[2] arc   KEYS[3] tombstone
-- ARGV[1] id   ARGV[2] archivist
-- Returns {1} it was claimed; {2, head} its transcript is lost; {0} it is not that archivist's
local s, arc, grave = unpack(KEYS)
local id, archivist = unpack(ARGV)
if redis.call('HGET', s, 'co') == archivist then
  redis.call('HDEL', s, 'co', 'cr')
  redis.call('ZADD', arc, 'XX', 0, id)
  return {1}
end
local h = redis.call('HMGET', grave, 'archivist', 'head')
if h[1] ~= archivist then return {0} end
redis.call('HDEL', grave, 'archivist', 'token')
redis.call('HSET', grave, 'lost', archivist)
return {2, tonumber(h[2])}
