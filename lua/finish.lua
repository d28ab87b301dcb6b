#!lua
-- A worker ends its turn: done, failed, to be tried again, or given back as if it had never had it.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] channel   KEYS[5] due   KEYS[6] turns   KEYS[7] queue
-- KEYS[8] sessions with events that are not archived   KEYS[9] deltas
-- KEYS[10] idempotency key (without one: the session)
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] turn   ARGV[4] token
-- ARGV[5] fingerprint of the request, beginning with a letter, or ""
-- ARGV[6] "complete", "fail", "retry" or "return"   ARGV[7] members of the data of turn.completed or turn.failed
-- ARGV[8] attempts after which a turn has failed   ARGV[9] body of the agent's message, or ""
-- Returns {1, now, epoch, seq of the message or 0, status of the turn, turns left in the queue, agent to ring for};
--   {0} nothing there; {2} past its deadline; {3} closed; {4, status of the turn or ""} the token is not the current
--   one; {7} the idempotency key was used with another body
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
--- @include "record"
--- @include "fresh"
--- @include "unlease"
--- @include "unsteer"
--- @include "stop"
--- @include "requeue"
--- @include "act"
--- @include "replay"
--- @include "keep"
local s, clk, log, channel, due, tn, q, wb, deltas, idem = unpack(KEYS)
local id, replid, n, token, print, how, data, attempts, body = unpack(ARGV)
local known = replay(idem, print)
if known then return known end
local raw, now = clock(clk)
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'w', 'x', 'e', 'g', 'q', 'n', 'o', 'a', 'yt', 'yn')
if not h.c then return {0} end
if h.s then return {3} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) then return {2} end
local t = turn(tn, n)
if h.yt ~= token or h.yn ~= n or now >= tonumber(h.y) then return {4, t and t.status or ''} end
local epoch = branch(s, replid, h.e, h.g, h.q)
local w = writer(log, channel, epoch, h.q, now, id, deltas)
local seq, status = 0, 'q'
if how == 'complete' then
  status = 'c'
  if body ~= '' then seq = w.emit(body) end
  stop(s, tn, q, w, now, n, 'c', data, 'turnCompleted')
elseif how == 'return' or (how == 'retry' and t.attempt < tonumber(attempts)) then
  requeue(s, tn, q, w, now, n, how == 'retry', how == 'retry' and 'failed' or 'returned')
else
  status = 'f'
  stop(s, tn, q, w, now, n, 'f', data .. ',"attempts":' .. t.attempt, 'turnFailed')
end
h.y, h.z = false, false
local left = redis.call('LLEN', q)
act(s, due, w, id, now, h, seq > 0 and 1 or 0, left > 0)
redis.call('HSET', s, 'q', w.head)
redis.call('ZADD', wb, 'NX', raw, id)
local answer = {1, now, epoch, seq, status, left}
keep(idem, print, answer)
if left > 0 then answer[7] = string.sub(h.a, 1, 16) end
return answer
