#!lua flags=allow-oom
-- Cancels the running turn, or the next one if none runs, or a certain one; its worker's token is dead from now on.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] channel   KEYS[5] due   KEYS[6] turns   KEYS[7] queue
-- KEYS[8] sessions with events that are not archived   KEYS[9] deltas
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] entry of the queue or turn, or ""
-- ARGV[4] 1 to empty the queue, too
-- Returns {1, now, turns left in the queue, agent to ring for or "", entry, ...}: what was cancelled; {0} nothing
--   there; {2} past its deadline; {3} closed
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
--- @include "act"
local s, clk, log, channel, due, tn, q, wb, deltas = unpack(KEYS)
local id, replid, target, all = unpack(ARGV)
local raw, now = clock(clk)
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'w', 'x', 'e', 'g', 'q', 'n', 'o', 'a', 'yn')
if not h.c then return {0} end
if h.s then return {3} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) then return {2} end
local w = writer(log, channel, branch(s, replid, h.e, h.g, h.q), h.q, now, id, deltas)
local cancelled = {}
local function drop(entry)
  if redis.call('LREM', q, 1, entry) == 0 then return end
  cancelled[#cancelled + 1] = entry
  local t = turn(tn, entry)
  if not t then return end
  t.status, t.ended = 'x', now
  record(tn, entry, t)
  w.of(entry, 'turn.cancelled', '"reason":"cancelled"')
end
if h.yn and (target == '' or target == h.yn) then
  stop(s, tn, q, w, now, h.yn, 'x', '"reason":"interrupted"', 'interrupted')
  cancelled[1] = h.yn
  h.y, h.z, h.yn = false, false, false
elseif target ~= '' then
  drop(target)
elseif all ~= '1' then
  local first = redis.call('LINDEX', q, 0)
  if first then drop(first) end
end
if all == '1' then
  for _, entry in ipairs(redis.call('LRANGE', q, 0, -1)) do drop(entry) end
end
local left = redis.call('LLEN', q)
if #cancelled > 0 then act(s, due, w, id, now, h, 0, left > 0 and not h.yn) end
redis.call('HSET', s, 'q', w.head)
redis.call('ZADD', wb, 'NX', raw, id)
return {1, now, left, left > 0 and not h.yn and string.sub(h.a, 1, 16) or '', unpack(cancelled)}
