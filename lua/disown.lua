#!lua flags=allow-oom
-- Takes a session from an archivist that is lost. What that one had only claimed may be claimed at once; what it
-- followed is the heir's, without the events that are no more in the log; what it had archived is lost, and the
-- tombstone says so.
-- KEYS[1] session   KEYS[2] arc   KEYS[3] tombstone   KEYS[4] log   KEYS[5] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] archivist that is lost   ARGV[3] its heir   ARGV[4] 16 hex digits for the heir's token
-- Returns {1, events that are missing at the beginning} taken; {2, head} its transcript is lost; {0} it is not that
--   archivist's
local s, arc, grave, log, wb = unpack(KEYS)
local id, archivist, heir, random = unpack(ARGV)
local h = redis.call('HMGET', s, 's', 'q', 'co', 'wo')
if not h[2] then
  local g = redis.call('HMGET', grave, 'archivist', 'head')
  if g[1] ~= archivist then return {0} end
  redis.call('HDEL', grave, 'archivist', 'token')
  redis.call('HSET', grave, 'lost', archivist)
  return {2, tonumber(g[2])}
end
local isClaimed = h[3] == archivist
local isFollowed = h[4] and string.match(h[4], '^[^.]*') == archivist
local missing = 0
if isClaimed then redis.call('HDEL', s, 'co', 'cr') end
if isFollowed then
  missing = h[2] - redis.call('LLEN', log)
  redis.call('HSET', s, 'wo', heir .. '.' .. random, 'wa', missing, 'wf', missing + 1)
  if not h[1] then redis.call('ZADD', wb, 'NX', 0, id) end
end
if h[1] and (isClaimed or isFollowed) then redis.call('ZADD', arc, 'XX', 0, id) end
return {(isClaimed or isFollowed) and 1 or 0, missing}
