#!lua
-- Changes a session's timeouts; its base stays. What moves the deadline earlier lowers the score in due.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] blob   KEYS[4] log   KEYS[5] due   KEYS[6] channel
-- KEYS[7] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] timeout or ""   ARGV[4] auto-renewal 0, 1 or ""
-- ARGV[5] max duration or ""   ARGV[6] warning or ""   ARGV[7] maximum timeout
-- Returns {1, now, fields, blob}; {0} nothing there; {2} past its deadline; {3} closed;
--   {6} the deadline would lie in the past
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "renewed"
local s, clk, blob, log, due, channel, wb = unpack(KEYS)
local id, replid = ARGV[1], ARGV[2]
local raw, now = clock(clk)
local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'w', 'x', 'e', 'g', 'q', 'n')
if not h[1] then return {0} end
if h[7] then return {3} end
local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
if expired(clk, raw, now, x, cap) then return {2} end
local timeout = tonumber(ARGV[3]) or tonumber(h[3])
local auto = ARGV[4] ~= '' and ARGV[4] or h[8]
local max = math.max(timeout, math.min(tonumber(ARGV[5]) or tonumber(h[4]), 2 * ARGV[7]))
local warning = tonumber(ARGV[6]) or tonumber(h[9])
local moved = deadline(h[1], h[2], timeout, max, h[5], h[6])
if moved <= now then return {6} end
redis.call('HSET', s, 't', timeout, 'r', auto, 'm', max, 'w', warning)
-- What is set here comes from the session from now on: timeout, auto-renewal, max duration, warning.
local sources = redis.call('HGET', s, 'ts')
if sources then
  local letters = {}
  for i = 1, 4 do letters[i] = ARGV[i + 2] ~= '' and 's' or string.sub(sources, i, i) end
  redis.call('HSET', s, 'ts', table.concat(letters))
end
local epoch, head = branch(s, replid, h[11], h[12], h[13]), h[13] + 1
emit(log, channel, epoch, head, now, '"type":"session.updated","sessionId":"' .. id .. '","data":{"expiresAt":"' ..
  iso(moved) .. '","timeoutMs":' .. timeout .. ',"autoRenew":' .. (auto == '1' and 'true' or 'false') ..
  ',"maxDurationMs":' .. max .. ',"warningMs":' .. warning .. '}}')
if moved ~= x then
  if h[10] then redis.call('HDEL', s, 'x') end
  if moved > x then
    head = head + 1
    emit(log, channel, epoch, head, now, renewed(id, moved, h[14], 'patch'))
  end
end
redis.call('HSET', s, 'q', head)
redis.call('ZADD', wb, 'NX', raw, id)
local armed = h[10] and moved == x and moved or moved - lead(warning, timeout)
redis.call('ZADD', due, 'LT', armed, id)
return {1, now, redis.call('HGETALL', s), redis.call('GET', blob)}
