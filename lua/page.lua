#!lua flags=no-writes
-- Reads a stretch of a session's log, live or closed.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] tombstone   KEYS[5] deltas
-- ARGV[1] first seq, at least 1   ARGV[2] last seq   ARGV[3] how many at the most (512)   ARGV[4] 1 newest first
-- ARGV[5] number of the last delta seen, for those after it if the stretch reaches the head; "" for none
-- Returns {state, now, head, oldest kept, epoch, {cuts}, {events}, number of the newest delta, {deltas},
--   archivist that follows it or "", archived head, first seq that archivist has} with the states of read; fewer
--   events than asked for when they are over 1 MiB together, but one at least, or when an archivist has the first ones;
--   {state, now, tombstone fields} for 4; {0, now} for nothing
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "slice"
local raw, now = clock(KEYS[2])
local h = redis.call('HMGET', KEYS[1], 'c', 'b', 't', 'm', 'y', 'z', 's', 'q', 'e',
  'k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'dn', 'dm', 'wo', 'wa', 'wf')
if not h[1] then
  local grave = redis.call('HGETALL', KEYS[4])
  return {#grave > 0 and 4 or 0, now, grave}
end
local state = 1
if h[7] then
  state = 3
else
  local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
  if expired(KEYS[2], raw, now, x, cap) then state = 2 end
end
local cuts = {}
for i = 10, 17 do if h[i] then cuts[#cuts + 1] = h[i] end end
local head = tonumber(h[8])
local oldest = head - redis.call('LLEN', KEYS[3]) + 1
local from, to = math.max(tonumber(ARGV[1]), oldest), math.min(tonumber(ARGV[2]), head)
local backward = ARGV[4] == '1'
local limit = math.min(tonumber(ARGV[3]), 512)
-- What comes before the oldest kept is read first, from the archive; only the room behind it is for these.
if h[20] and not backward then limit = limit - (oldest - math.min(oldest, math.max(tonumber(ARGV[1]), h[22]))) end
local events, tooMany = slice(KEYS[3], oldest, from, to, limit, backward)
local number, deltas = tonumber(h[18]) or 0, {}
if ARGV[5] ~= '' and h[19] and not backward and from + #events > head and not tooMany then
  local missed = number - tonumber(ARGV[5])
  if missed > 0 then deltas = redis.call('LRANGE', KEYS[5], -math.min(missed, 16384), -1) end
end
return {state, now, head, oldest, h[9], cuts, events, number, deltas, h[20] and string.match(h[20], '^[^.]*') or '',
  tonumber(h[21]) or 0, tonumber(h[22]) or 1}
