#!lua flags=allow-oom
-- Renews a session by its user's will, or by a heartbeat that takes a warning back.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] blob   KEYS[4] log   KEYS[5] due   KEYS[6] channel
-- KEYS[7] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] "heartbeat" or "renew"
-- Returns {now, 1, extended 0 or 1, fields, blob}; {now, 0} nothing there; {now, 2} past its deadline; {now, 3} closed;
--   {now, 5} renew at the cap
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "renewed"
--- @include "rearm"
local s, clk, blob, log, due, channel, wb = unpack(KEYS)
local id, replid, cause = unpack(ARGV)
local raw, now = clock(clk)
local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'x', 'n', 'q', 'e', 'g')
if not h[1] then return {now, 0} end
if h[7] then return {now, 3} end
local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
if expired(clk, raw, now, x, cap) then return {now, 2} end
local extended = 0
if cause == 'renew' or h[8] == '1' then
  if x < cap then
    extended = 1
    local later, count = deadline(h[1], now, h[3], h[4], h[5], h[6]), h[10] + 1
    redis.call('HSET', s, 'b', now, 'n', count)
    local warned = h[9] and later ~= x
    if warned then rearm(s, due, id, later, h[3]) end
    if warned or cause == 'renew' then
      local epoch = branch(s, replid, h[12], h[13], h[11])
      redis.call('HSET', s, 'q', h[11] + 1)
      redis.call('ZADD', wb, 'NX', raw, id)
      emit(log, channel, epoch, h[11] + 1, now, renewed(id, later, count, cause))
    end
  elseif cause == 'renew' then
    return {now, 5}
  end
end
redis.call('HSET', s, 'l', now)
return {now, 1, extended, redis.call('HGETALL', s), redis.call('GET', blob)}
