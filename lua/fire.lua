#!lua flags=allow-oom
-- Looks at one session that may be due: warns, re-arms, or says that it must be ended.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] due   KEYS[5] channel
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id
-- Returns {0} nothing to do any more; {1, next score} re-armed; {2, deadline, lateness in ms} warned;
--   {3, deadline, agent and user, hash of the conversation key or false} due: end it
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
local s, clk, log, due, channel = unpack(KEYS)
local id, replid = ARGV[1], ARGV[2]
local raw, now = clock(clk)
local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'w', 'x', 'e', 'g', 'q', 'a', 'k')
if not h[1] or h[7] then
  redis.call('ZREM', due, id)
  return {0}
end
local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
if expired(clk, raw, now, x, cap) then return {3, x, h[13], h[14]} end
local at = x - lead(h[8], h[3])
if now >= at and tonumber(h[9]) ~= x then
  local epoch, head = branch(s, replid, h[10], h[11], h[12]), h[12] + 1
  redis.call('HSET', s, 'x', x, 'q', head)
  emit(log, channel, epoch, head, now, '"type":"session.expiring","sessionId":"' .. id .. '","data":{"expiresAt":"' ..
    iso(x) .. '","timeRemaining":' .. math.max(0, x - now) .. ',"canRenew":' .. (x < cap and 'true' or 'false') .. '}}')
  redis.call('ZADD', due, math.max(x, now + 1), id)
  return {2, x, now - at}
end
local score = tonumber(h[9]) == x and x or at
if now >= x then
  -- Past the deadline and alive: a hold is open, or tick is about to open one. Look again when it may be over.
  local hold = tonumber(redis.call('HGET', clk, 'hold')) or 0
  score = math.min(now + math.max(hold - raw, 1000), cap)
end
redis.call('ZADD', due, score, id)
return {1, score}
