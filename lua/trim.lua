#!lua flags=allow-oom
-- Notes how much of a live session's log its follower has on disk, and takes from the log what is older than the
-- window.
-- KEYS[1] session   KEYS[2] log   KEYS[3] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] archivist   ARGV[3] its token   ARGV[4] epoch under which the events were read
-- ARGV[5] last seq on disk   ARGV[6] how many events stay, or "" for all   ARGV[7] how many go at the most
-- Returns {1, events that are still to go}; {0} it does not live, another one follows it, or events were lost since:
--   read again
local s, log, wb = unpack(KEYS)
local id, owner, token, epoch = unpack(ARGV)
local upTo, window, most = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local h = redis.call('HMGET', s, 's', 'q', 'e', 'wo', 'wa')
local head, held = tonumber(h[2]), tonumber(h[5])
if not head or h[1] or h[4] ~= owner .. '.' .. token or h[3] ~= epoch or upTo > head or upTo < held then return {0} end
if upTo > held then redis.call('HSET', s, 'wa', upTo) end
if upTo == head then
  redis.call('ZREM', wb, id)
elseif upTo > held then
  -- What is left came after what was just written, however long the session has been on the list.
  local t = redis.call('TIME')
  redis.call('ZADD', wb, 'XX', t[1] * 1000 + math.floor(t[2] / 1000), id)
end
local length = redis.call('LLEN', log)
local old = window and math.min(length - window, upTo - head + length) or 0
if old > 0 then redis.call('LTRIM', log, math.min(old, most), -1) end
return {1, math.max(old - most, 0)}
