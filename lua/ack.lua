#!lua flags=allow-oom
-- Confirms that an archivist holds a session on disk: the live keys go, the tombstone says who has it.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] blob   KEYS[4] log   KEYS[5] arc   KEYS[6] tombstone
-- ARGV[1] id   ARGV[2] archivist   ARGV[3] major of the token   ARGV[4] its random part   ARGV[5] life of the tombstone
-- Returns {1} done; {2} done before, by this token; {0} another token is current, or nobody knows the session
local s, _, blob, log, arc, grave = unpack(KEYS)
local id, owner, major, random, keep = unpack(ARGV)
local h = redis.call('HMGET', s, 's', 'ct', 'cr', 'f', 'q', 'wf')
if not h[1] then
  local g = redis.call('HMGET', grave, 'archivist', 'token')
  return {g[1] == owner and g[2] == major .. '.' .. random and 2 or 0}
end
if h[2] ~= major or h[3] ~= random then return {0} end
redis.call('DEL', s, blob, log)
redis.call('ZREM', arc, id)
redis.call('HSET', grave, 'reason', h[1], 'at', h[4], 'head', h[5], 'archivist', owner, 'token', major .. '.' .. random)
-- What was before its first event was lost with another archivist.
if h[6] and h[6] ~= '1' then redis.call('HSET', grave, 'first', h[6]) end
redis.call('PEXPIRE', grave, keep)
return {1}
