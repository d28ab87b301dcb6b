#!lua flags=allow-oom
-- Erases what Redis keeps of a session whose life is over; an archivist that has claimed it is refused from then on.
-- KEYS[1] session   KEYS[2] blob   KEYS[3] log   KEYS[4] arc   KEYS[5] tombstone   KEYS[6] deltas   KEYS[7] turns
-- KEYS[8] queue
-- ARGV[1] id   ARGV[2] life of the tombstone in ms
-- Returns {1} erased; {2} only its tombstone was left; {0} nothing is there, or it was erased before; {3} it lives: end
--   it first
local s, blob, log, arc, grave, deltas, tn, q = unpack(KEYS)
local h = redis.call('HMGET', s, 'c', 's', 'f', 'q')
if h[1] and not h[2] then return {3} end
if h[1] then
  redis.call('DEL', s, blob, log, deltas, tn, q)
  redis.call('ZREM', arc, ARGV[1])
  redis.call('HSET', grave, 'reason', h[2], 'at', h[3], 'head', h[4])
elseif redis.call('EXISTS', grave) == 0 or redis.call('HGET', grave, 'purged') then
  return {0}
end
redis.call('HDEL', grave, 'archivist', 'token')
redis.call('HSET', grave, 'purged', 1)
redis.call('PEXPIRE', grave, ARGV[2])
return {h[1] and 1 or 2}
