#!lua flags=allow-oom
-- Ends the lives of sessions of one partition, each in one step: logs it, freezes the log, frees the conversation
-- key, leaves the indexes, writes the tombstone and hands the session to the archivists. Its open turns are
-- cancelled before.
-- KEYS[1] clock   KEYS[2] due   KEYS[3] arc   KEYS[4] all   KEYS[5] sessions with events that are not archived,
-- then for each session (at most 16): KEYS[6] session   KEYS[7] blob   KEYS[8] log   KEYS[9] index of the agent
-- KEYS[10] index of the user   KEYS[11] conversation key (without one: any of the slot)   KEYS[12] tombstone
-- KEYS[13] channel   KEYS[14] deltas   KEYS[15] turns   KEYS[16] queue
-- ARGV[1] "expired", "ended" or "archived"   ARGV[2] first 16 digits of the replication id
-- ARGV[3] "archive" or "none"   ARGV[4] life of the tombstones in ms
-- ARGV[5] archivist that claims them at once, but for those that another one has followed, or ""
-- ARGV[6] 16 hex digits for its tokens   ARGV[7] its lease in ms   ARGV[8] id of the first session, and so on
-- Returns one answer a session: {1, ended at, head, major of the token or 0}; {0} nothing there; {2, deadline}
--   "expired" too early, or anything else too late (end it as expired first); {3, reason} closed already
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "writer"
--- @include "unlease"
local clk, due, arc, all, wb = unpack(KEYS, 1, 5)
local reason, replid, mode, keep, owner, random, lease = unpack(ARGV, 1, 7)
local raw, now = clock(clk)
local function close(id, s, blob, log, byAgent, byUser, key, grave, channel, deltas, tn, q)
  local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'e', 'g', 'q', 'k', 'yn', 'tc', 'wo')
  if not h[1] then
    redis.call('ZREM', due, id)
    return {0}
  end
  if h[7] then return {3, h[7]} end
  local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
  if expired(clk, raw, now, x, cap) ~= (reason == 'expired') then return {2, x} end
  local at = reason == 'expired' and x or now
  -- Redis takes longer to write a number than Lua does.
  local stamp = string.format('%.0f', at)
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
  redis.call('HSET', s, 's', reason, 'f', stamp, 'q', head)
  redis.call('DEL', deltas)
  redis.call('ZREM', due, id)
  redis.call('ZREM', wb, id)
  redis.call('ZREM', all, id)
  redis.call('ZREM', byAgent, id)
  redis.call('ZREM', byUser, id)
  if h[11] and redis.call('GET', key) == id then redis.call('DEL', key) end
  local cuts = {}
  for _, cut in ipairs(redis.call('HMGET', s, 'k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7')) do
    if cut then cuts[#cuts + 1] = cut end
  end
  redis.call('HSET', grave, 'reason', reason, 'at', stamp, 'head', head, 'cuts', table.concat(cuts, ' '))
  redis.call('PEXPIRE', grave, keep)
  if mode == 'none' then
    redis.call('DEL', s, blob, log)
    return {1, at, head, 0}
  end
  local major = 0
  local claims = owner ~= '' and not (h[14] and string.match(h[14], '^[^.]*') ~= owner)
  if claims then
    major = now
    redis.call('HSET', s, 'co', owner, 'ct', major, 'cr', random)
  end
  redis.call('ZADD', arc, claims and raw + lease or 0, id)
  return {1, at, head, major}
end
local answers = {}
for i = 8, #ARGV do
  local place = 11 * (i - 8) + 6
  answers[i - 7] = close(ARGV[i], unpack(KEYS, place, place + 10))
end
return answers
