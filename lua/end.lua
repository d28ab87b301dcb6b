#!lua flags=allow-oom
-- Ends a session's life in one step: logs it, freezes the log, frees the conversation key, leaves the indexes, writes
-- the tombstone and hands the session to the archivists. Its open turns are cancelled before.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] blob   KEYS[4] log   KEYS[5] due   KEYS[6] arc   KEYS[7] all
-- KEYS[8] index of the agent   KEYS[9] index of the user   KEYS[10] conversation key (without one: any of the slot)
-- KEYS[11] tombstone   KEYS[12] channel   KEYS[13] deltas   KEYS[14] turns   KEYS[15] queue
-- KEYS[16] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] "expired", "ended" or "archived"   ARGV[3] first 16 digits of the replication id
-- ARGV[4] "archive" or "none"   ARGV[5] life of the tombstone in ms
-- ARGV[6] archivist that claims it at once, unless another one has followed it, or ""
-- ARGV[7] 16 hex digits for its token   ARGV[8] its lease in ms
-- Returns {1, ended at, head, major of the token or 0}; {0} nothing there; {2, deadline} "expired" too early, or
--   anything else too late (end it as expired first); {3, reason} closed already
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "writer"
--- @include "unlease"
local s, clk, blob, log, due, arc, all, byAgent, byUser, key, grave, channel, deltas, tn, q, wb = unpack(KEYS)
local id, reason, replid, mode, keep, owner, random, lease = unpack(ARGV)
local raw, now = clock(clk)
local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'e', 'g', 'q', 'k', 'yn', 'tc', 'wo')
if not h[1] then
  redis.call('ZREM', due, id)
  return {0}
end
if h[7] then return {3, h[7]} end
local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
if expired(clk, raw, now, x, cap) ~= (reason == 'expired') then return {2, x} end
local at = reason == 'expired' and x or now
local epoch, head = branch(s, replid, h[8], h[9], h[10]), h[10] + 1
if h[13] then
  local w = writer(log, channel, epoch, h[10], now, id, deltas)
  local why = '"reason":"session.' .. reason .. '"'
  if h[12] then
    unlease(s, tn, w, h[12], 'session.' .. reason)
    w.of(h[12], 'turn.cancelled', why)
  end
  for _, n in ipairs(redis.call('LRANGE', q, 0, -1)) do
    if string.match(n, '^%d+$') then w.of(n, 'turn.cancelled', why) end
  end
  redis.call('DEL', tn, q)
  head = w.head + 1
end
local data = '"endedAt":"' .. iso(at) .. '"'
if reason == 'expired' then
  data = '"expiredAt":"' .. iso(x) .. '","reason":"' .. (x == cap and 'maxDuration' or 'timeout') .. '"'
end
emit(log, channel, epoch, head, now,
  '"type":"session.' .. reason .. '","sessionId":"' .. id .. '","data":{' .. data .. '}}')
redis.call('HSET', s, 's', reason, 'f', at, 'q', head)
redis.call('DEL', deltas)
redis.call('ZREM', due, id)
redis.call('ZREM', wb, id)
redis.call('ZREM', all, id)
redis.call('ZREM', byAgent, id)
redis.call('ZREM', byUser, id)
if h[11] and redis.call('GET', key) == id then redis.call('DEL', key) end
redis.call('HSET', grave, 'reason', reason, 'at', at, 'head', head)
redis.call('PEXPIRE', grave, keep)
if mode == 'none' then
  redis.call('DEL', s, blob, log)
  return {1, at, head, 0}
end
local major = 0
if h[14] and string.match(h[14], '^[^.]*') ~= owner then owner = '' end
if owner ~= '' then
  major = now
  redis.call('HSET', s, 'co', owner, 'ct', major, 'cr', random)
end
redis.call('ZADD', arc, owner ~= '' and raw + lease or 0, id)
return {1, at, head, major}
