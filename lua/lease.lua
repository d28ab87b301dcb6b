#!lua
-- Leases the next turn of a session to a worker, if none is running.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] channel   KEYS[5] due   KEYS[6] turns   KEYS[7] queue
-- KEYS[8] sessions with events that are not archived   KEYS[9] deltas
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] lease in ms
-- ARGV[4] 16 hex digits for the token
-- ARGV[5] attempts after which a turn has failed
-- Returns {1, now, turn, token, lease end, attempt, input, queued at, head, turns left in the queue, agent and user};
--   {0} there is nothing to do: gone, closed, past its deadline, running, or no turn is queued
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "branch"
--- @include "emit"
--- @include "fields"
--- @include "writer"
--- @include "turn"
--- @include "record"
--- @include "fresh"
--- @include "unlease"
--- @include "unsteer"
--- @include "stop"
--- @include "requeue"
--- @include "lapse"
local s, clk, log, channel, due, tn, q, wb, deltas = unpack(KEYS)
local id, replid, lease, random, attempts = unpack(ARGV)
local raw, now = clock(clk)
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'e', 'g', 'q', 'a', 'yn', 'ym')
if not h.c or h.s then return {0} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) or (h.yn and now < tonumber(h.y)) then return {0} end
local w = writer(log, channel, branch(s, replid, h.e, h.g, h.q), h.q, now, id, deltas)
if h.yn then lapse(s, tn, q, w, now, h.yn, attempts) end
redis.call('ZADD', wb, 'NX', raw, id)
local n = redis.call('LPOP', q)
local t = n and turn(tn, n)
if not t then
  redis.call('HSET', s, 'q', w.head)
  return {0}
end
local major = math.max((tonumber(h.ym) or 0) + 1, now)
local token, over = string.format('%.0f', major) .. '.' .. random, now + lease
t.status, t.attempt, t.started = 'r', t.attempt + 1, now
record(tn, n, t)
w.of(n, 'turn.started', '"attempt":' .. t.attempt .. ',"input":[' .. t.input .. ']')
redis.call('HSET', s, 'y', over, 'yt', token, 'yn', n, 'ym', major, 'q', w.head)
redis.call('ZADD', due, 'LT', over, id)
return {1, now, tonumber(n), token, over, t.attempt, t.input, tonumber(t.queued), w.head, redis.call('LLEN', q), h.a}
