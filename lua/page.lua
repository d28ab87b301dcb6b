#!lua flags=no-writes
-- Reads a stretch of a session's log, live or closed.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] tombstone   KEYS[5] deltas
-- ARGV[1] first seq, at least 1   ARGV[2] last seq   ARGV[3] how many at the most (512)   ARGV[4] 1 newest first
-- ARGV[5] number of the last delta seen, for those after it if the stretch reaches the head; "" for none
-- Returns {state, now, head, oldest kept, epoch, {cuts}, {events}, number of the newest delta, {deltas}} with the
--   states of read; fewer events than asked for when they are over 1 MiB together, but one at least;
--   {state, now, tombstone fields} for 4; {0, now} for nothing
--- @include "clock"
--- @include "deadline"
--- @include "expired"
local raw, now = clock(KEYS[2])
local h = redis.call('HMGET', KEYS[1], 'c', 'b', 't', 'm', 'y', 'z', 's', 'q', 'e',
  'k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'dn', 'dm')
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
local left, bytes, events = math.min(tonumber(ARGV[3]), 512), 0, {}
local backward = ARGV[4] == '1'
while from <= to and left > 0 and bytes < 1048576 do
  local count = math.min(left, 32, to - from + 1)
  local start = backward and to - count + 1 or from
  local chunk = redis.call('LRANGE', KEYS[3], start - oldest, start - oldest + count - 1)
  for i = 1, count do
    local event = chunk[backward and count + 1 - i or i]
    if bytes > 0 and bytes + #event > 1048576 then bytes = 1048576 break end
    bytes = bytes + #event
    events[#events + 1] = event
  end
  left = left - count
  if backward then to = to - count else from = from + count end
end
local number, deltas = tonumber(h[18]) or 0, {}
if ARGV[5] ~= '' and h[19] and not backward and from > head and bytes < 1048576 then
  local missed = number - tonumber(ARGV[5])
  if missed > 0 then deltas = redis.call('LRANGE', KEYS[5], -math.min(missed, 16384), -1) end
end
return {state, now, head, oldest, h[9], cuts, events, number, deltas}
