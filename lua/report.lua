#!lua
-- Appends what a worker reports of the running turn: tool calls, their results, messages.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] channel   KEYS[5] due   KEYS[6] turns
-- KEYS[7] deltas   KEYS[8] idempotency key (without one: the session)
-- KEYS[9] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] turn   ARGV[4] token
-- ARGV[5] fingerprint of the request, beginning with a letter, or ""   ARGV[6] how many of the events are messages
-- ARGV[7] for each event "+<id>" a tool call, "-<id>" its result, or "="; with spaces between
-- ARGV[8] body of the first event, and so on (at most 64)
-- Returns {1, now, epoch, seq of the first, lease end}; {0} nothing there; {2} past its deadline; {3} closed;
--   {4, status of the turn or ""} the token is not the current one; {6} a result without its call, a call twice, or
--   more than 64 open; {7} the idempotency key was used with another body
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "renewed"
--- @include "fields"
--- @include "writer"
--- @include "turn"
--- @include "act"
--- @include "replay"
--- @include "keep"
local s, clk, log, channel, due, tn, deltas, idem, wb = unpack(KEYS)
local id, replid, n, token, print, messages, kinds = unpack(ARGV, 1, 7)
local known = replay(idem, print)
if known then return known end
local raw, now = clock(clk)
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'w', 'x', 'e', 'g', 'q', 'n', 'o', 'yt', 'yn')
if not h.c then return {0} end
if h.s then return {3} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) then return {2} end
if h.yt ~= token or h.yn ~= n or now >= tonumber(h.y) then
  local t = turn(tn, n)
  return {4, t and t.status or ''}
end
local calls, count = {}, 0
for call in string.gmatch(redis.call('HGET', tn, 'calls') or '', '%S+') do calls[call], count = true, count + 1 end
for kind, call in string.gmatch(kinds, '([-+])(%S+)') do
  if (kind == '-') ~= (calls[call] or false) then return {6} end
  calls[call], count = kind == '+' or nil, count + (kind == '+' and 1 or -1)
end
if count > 64 then return {6} end
local epoch = branch(s, replid, h.e, h.g, h.q)
local w = writer(log, channel, epoch, h.q, now, id)
local first = w.head + 1
for i = 8, #ARGV do w.emit(ARGV[i]) end
local open = {}
for call in pairs(calls) do open[#open + 1] = call end
table.sort(open)
if count > 0 then redis.call('HSET', tn, 'calls', table.concat(open, ' ')) else redis.call('HDEL', tn, 'calls') end
if tonumber(messages) > 0 then
  redis.call('DEL', deltas)
  redis.call('HDEL', s, 'dm', 'di', 'dp')
  act(s, due, w, id, now, h, messages, nil)
end
redis.call('HSET', s, 'q', w.head)
redis.call('ZADD', wb, 'NX', raw, id)
local answer = {1, now, epoch, first, tonumber(h.y)}
keep(idem, print, answer)
return answer
