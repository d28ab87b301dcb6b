#!lua
-- Appends events to a live session's log and publishes them. A message of the agent ends its deltas: it has the text.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] due   KEYS[5] channel   KEYS[6] deltas
-- KEYS[7] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] how many of the events are messages
-- ARGV[4] body of the first event, and so on (at most 64)
-- Returns {1, now, epoch, seq of the first, deadline, lead, renewals, renewed 0 or 1}; {0} nothing there;
--   {2} past its deadline; {3} closed
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "renewed"
--- @include "rearm"
local s, clk, log, due, channel, deltas, wb = unpack(KEYS)
local id, replid, messages = ARGV[1], ARGV[2], tonumber(ARGV[3])
local raw, now = clock(clk)
local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'w', 'x', 'e', 'g', 'q', 'n', 'o')
if not h[1] then return {0} end
if h[7] then return {3} end
local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
if expired(clk, raw, now, x, cap) then return {2} end
local epoch = branch(s, replid, h[11], h[12], h[13])
local first, count, extended = h[13] + 1, h[14], 0
local head = h[13] + #ARGV - 3
redis.call('ZADD', wb, 'NX', raw, id)
for i = 4, #ARGV do
  emit(log, channel, epoch, first + i - 4, now, ARGV[i])
  if string.sub(ARGV[i], 1, 22) == '"type":"agent.message"' then
    redis.call('DEL', deltas)
    redis.call('HDEL', s, 'dm', 'di', 'dp')
  end
end
if messages > 0 then
  local changes = {'HSET', s, 'l', now, 'o', h[15] + messages}
  if h[8] == '1' and x < cap then
    extended, count = 1, count + 1
    local later = deadline(h[1], now, h[3], h[4], h[5], h[6])
    changes[7], changes[8], changes[9], changes[10] = 'b', now, 'n', count
    if h[10] and later ~= x then
      rearm(s, due, id, later, h[3])
      head = head + 1
      emit(log, channel, epoch, head, now, renewed(id, later, count, 'message'))
    end
    x = later
  end
  changes[#changes + 1], changes[#changes + 2] = 'q', head
  redis.call(unpack(changes))
else
  redis.call('HSET', s, 'q', head)
end
return {1, now, epoch, first, x, lead(h[9], h[3]), tonumber(count), extended}
