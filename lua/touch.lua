#!lua flags=allow-oom
-- Heartbeats up to 32 sessions of one partition, or renews one.
-- KEYS[1] clock   KEYS[2] due   KEYS[3] sessions with events that are not archived, then for each session:
-- KEYS[4] session   KEYS[5] log   KEYS[6] channel   KEYS[7] blob
-- ARGV[1] "heartbeat" or "renew"   ARGV[2] first 16 digits of the replication id   ARGV[3] 1 for whole answers
-- ARGV[4] id of the first session, and so on
-- Returns {now, one answer a session}: {0} nothing there; {2} past its deadline; {3} closed; {5} renew at the cap;
--   {1, extended 0 or 1, deadline, head} or, whole, {1, extended, fields, blob}
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "renewed"
--- @include "rearm"
local cause, replid, whole = ARGV[1], ARGV[2], ARGV[3] == '1'
local clk, due, wb = unpack(KEYS, 1, 3)
local raw, now = clock(clk)
local function touch(id, s, log, channel, blob)
  local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'x', 'n', 'q')
  if not h[1] then return {0} end
  if h[7] then return {3} end
  local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
  if expired(clk, raw, now, x, cap) then return {2} end
  local head, extended = h[11], 0
  if cause == 'renew' or h[8] == '1' then
    local later = deadline(h[1], now, h[3], h[4], h[5], h[6])
    if x == cap then
      if cause == 'renew' then return {5} end
    else
      extended = 1
      local count = h[10] + 1
      redis.call('HSET', s, 'b', now, 'l', now, 'n', count)
      local warned = h[9] and later ~= x
      if warned then rearm(s, due, id, later, h[3]) end
      if warned or cause == 'renew' then
        local m = redis.call('HMGET', s, 'e', 'g')
        local epoch = branch(s, replid, m[1], m[2], head)
        head = redis.call('HINCRBY', s, 'q', 1)
        redis.call('ZADD', wb, 'NX', raw, id)
        emit(log, channel, epoch, head, now, renewed(id, later, count, cause))
      end
      x = later
    end
  end
  if extended == 0 then redis.call('HSET', s, 'l', now) end
  if whole then return {1, extended, redis.call('HGETALL', s), redis.call('GET', blob)} end
  return {1, extended, x, tonumber(head)}
end
local answers = {now}
for i = 4, #ARGV do
  local k = 4 + (i - 4) * 4
  answers[#answers + 1] = touch(ARGV[i], KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3])
end
return answers
