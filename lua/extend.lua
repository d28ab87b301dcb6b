#!lua flags=allow-oom
-- Extends the lease of the running turn, and hands it the messages that were meant for it.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] channel   KEYS[5] due   KEYS[6] turns   KEYS[7] queue
-- KEYS[8] sessions with events that are not archived   KEYS[9] idempotency key (without one: the session)
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] turn   ARGV[4] token   ARGV[5] lease in ms
-- ARGV[6] ms for which it waits for a human, or ""   ARGV[7] fingerprint of the request, beginning with a letter, or ""
-- ARGV[8] 1 when the answer is kept only if messages were handed over, because the caller asks again
-- Returns {1, now, lease end, seqs handed over, with commas, or "-", head}; {0} nothing there; {2} past its deadline;
--   {3} closed; {4, status of the turn or ""} the token is not the current one;
--   {7} the idempotency key was used with another body
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "branch"
--- @include "emit"
--- @include "fields"
--- @include "writer"
--- @include "turn"
--- @include "record"
--- @include "replay"
--- @include "keep"
local s, clk, log, channel, due, tn, q, wb, idem = unpack(KEYS)
local id, replid, n, token, lease, waits, print, again = unpack(ARGV)
local known = replay(idem, print)
if known then return known end
local raw, now = clock(clk)
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'e', 'g', 'q', 'yt', 'yn', 'ys')
if not h.c then return {0} end
if h.s then return {3} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) then return {2} end
local t = turn(tn, n)
if h.yt ~= token or h.yn ~= n or now >= tonumber(h.y) then return {4, t and t.status or ''} end
local w = writer(log, channel, branch(s, replid, h.e, h.g, h.q), h.q, now, id)
local over, taken = now + lease, {}
if h.ys then
  for _, entry in ipairs(redis.call('LRANGE', q, 0, -1)) do
    local seq = string.match(entry, '^s(%d+)$')
    if seq then
      redis.call('LREM', q, 1, entry)
      taken[#taken + 1] = seq
    end
  end
  redis.call('HDEL', s, 'ys')
  t.input = table.concat({t.input, unpack(taken)}, ',')
  record(tn, n, t)
end
if waits ~= '' then
  if not h.z then w.of(n, 'turn.waiting', '"waitMs":' .. waits) end
  redis.call('HSET', s, 'z', now + waits)
elseif h.z then
  redis.call('HDEL', s, 'z')
end
redis.call('HSET', s, 'y', over, 'q', w.head)
redis.call('ZADD', wb, 'NX', raw, id)
redis.call('ZADD', due, 'LT', over, id)
local answer = {1, now, over, taken[1] and table.concat(taken, ',') or '-', w.head}
if taken[1] or again ~= '1' then keep(idem, print, answer) end
return answer
