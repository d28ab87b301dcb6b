#!lua
-- Appends a user's message. Where an agent works by turns (somebody has claimed one), where the session has had turns,
-- and where it is asked for, it opens a turn or joins the queue.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] channel   KEYS[5] due   KEYS[6] agents that work by turns
-- KEYS[7] turns   KEYS[8] queue   KEYS[9] deltas
-- KEYS[10] idempotency key (without one: the session)   KEYS[11] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] body   ARGV[4] id of the message
-- ARGV[5] "enqueue", "reject", "interrupt" or "steer", when a turn is open   ARGV[6] length of the queue at the most
-- ARGV[7] fingerprint of the request, beginning with a letter, or ""   ARGV[8] 1 when it is to have a turn in any case
-- Returns {1, now, epoch, seq, deadline, lead, renewals, renewed 0 or 1, id of the message, turn or 0, 1 if it was
--   handed to the running turn, agent to ring for}; {0} nothing there; {2} past its deadline; {3} closed;
--   {5, turn} busy; {6} the queue is full; {7} the idempotency key was used with another body;
--   {8} what was said before must get its turns first: adopt
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "renewed"
--- @include "rearm"
local s, clk, log, channel, due, workers, tn, q, deltas, idem, wb = unpack(KEYS)
local id, replid, body, message, busy, bound, print, asked = unpack(ARGV)
local raw, now = clock(clk)
-- The usual case first, before the functions for turns are made: an agent that does not work by turns.
local m = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'w', 'x', 'e', 'g', 'q', 'n', 'o', 'a', 'tc')
if m[1] and not m[7] and not m[17] and print == '' and asked ~= '1' and
  redis.call('SISMEMBER', workers, string.sub(m[16], 1, 16)) == 0 then
  local x, cap = deadline(m[1], m[2], m[3], m[4], m[5], m[6])
  if expired(clk, raw, now, x, cap) then return {2} end
  local epoch = branch(s, replid, m[11], m[12], m[13])
  local seq, count, extended = m[13] + 1, m[14], 0
  local head = seq
  emit(log, channel, epoch, seq, now, body)
  redis.call('ZADD', wb, 'NX', raw, id)
  if m[8] == '1' and x < cap then
    extended, count = 1, count + 1
    local later = deadline(m[1], now, m[3], m[4], m[5], m[6])
    if m[10] and later ~= x then
      rearm(s, due, id, later, m[3])
      head = head + 1
      emit(log, channel, epoch, head, now, renewed(id, later, count, 'message'))
    end
    x = later
    redis.call('HSET', s, 'l', now, 'o', m[15] + 1, 'q', head, 'b', now, 'n', count)
  else
    redis.call('HSET', s, 'l', now, 'o', m[15] + 1, 'q', head)
  end
  return {1, now, epoch, seq, x, lead(m[9], m[3]), tonumber(count), extended, message, 0, 0}
end
--- @include "fields"
--- @include "writer"
--- @include "turn"
--- @include "record"
--- @include "fresh"
--- @include "open"
--- @include "unlease"
--- @include "unsteer"
--- @include "stop"
--- @include "act"
--- @include "replay"
--- @include "keep"
local known = replay(idem, print)
if known then return known end
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'w', 'x', 'e', 'g', 'q', 'n', 'o', 'a', 'tc', 'yn')
if not h.c then return {0} end
if h.s then return {3} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) then return {2} end
local agent = string.sub(h.a, 1, 16)
local byTurns = h.tc or asked == '1' or redis.call('SISMEMBER', workers, agent) == 1
if byTurns and not h.tc and tonumber(h.o) > 0 then return {8} end
local queued = h.tc and redis.call('LLEN', q) or 0
if busy == 'reject' and (h.yn or queued > 0) then return {5, h.yn or tonumber(h.tc)} end
if queued >= tonumber(bound) then return {6} end
local epoch = branch(s, replid, h.e, h.g, h.q)
local w = writer(log, channel, epoch, h.q, now, id, deltas)
local running = h.yn
if running and busy == 'interrupt' then
  stop(s, tn, q, w, now, running, 'x', '"reason":"interrupted"', 'interrupted')
  h.y, h.z, running = false, false, false
end
local seq = w.emit(body)
redis.call('ZADD', wb, 'NX', raw, id)
local n, steered = 0, 0
if running and busy == 'steer' then
  n, steered = running, 1
  redis.call('RPUSH', q, 's' .. seq)
  redis.call('HSET', s, 'ys', 1)
elseif byTurns then
  n = open(s, tn, q, w, now, seq, h.yn and not running)
end
local waits = byTurns and not running or nil
local later, count, extended = act(s, due, w, id, now, h, 1, waits)
redis.call('HSET', s, 'q', w.head)
local answer = {1, now, epoch, seq, later, lead(h.w, h.t), count, extended, message, tonumber(n), steered}
keep(idem, print, answer)
if waits then answer[12] = agent end
return answer
