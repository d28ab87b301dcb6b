#!lua
-- Creates a session, or says which live one holds its conversation key.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] blob   KEYS[4] log   KEYS[5] due
-- KEYS[6] all   KEYS[7] index of the agent   KEYS[8] index of the user
-- KEYS[9] conversation key   KEYS[10] session of its holder (without a key: the session itself)   KEYS[11] channel
-- KEYS[12] idempotency key (without one: the session)   KEYS[13] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] agent and user, 16 bytes each   ARGV[3] first 16 digits of the replication id
-- ARGV[4] hash of the conversation key, 16 bytes, or ""   ARGV[5] id of the holder that was seen, or ""
-- ARGV[6] timeout   ARGV[7] warning   ARGV[8] max duration   ARGV[9] auto-renewal 0 or 1
-- ARGV[10] blob, or ""   ARGV[11] body of session.created up to its data's last field, without the closing braces
-- ARGV[12] fingerprint of the request, beginning with a letter, or ""   ARGV[13] where the four timeouts come from
-- Returns {1, now, epoch} created; with id and the four timeouts behind it: created before, under the
--   idempotency key; {7} that key was used with another body; {2, id} a live holder; {3, id or ""} the holder is
--   another one: look again; {4, id} the holder's deadline has passed: end it first; {5} the id is taken: choose
--   another
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "emit"
--- @include "replay"
--- @include "keep"
local s, clk, blob, log, due, all, byAgent, byUser, key, holder, channel = unpack(KEYS)
local id, identity, replid, hash, seen = unpack(ARGV, 1, 5)
local timeout, warning, max, auto = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local print, sources = ARGV[12] or '', ARGV[13] or ''
local known = replay(KEYS[12], print)
if known then return known end
if redis.call('EXISTS', s) == 1 then return {5} end
local raw, now = clock(clk)
if hash ~= '' then
  local held = redis.call('GET', key) or ''
  if held ~= seen then return {3, held} end
  if held ~= '' then
    local h = redis.call('HMGET', holder, 'c', 'b', 't', 'm', 'y', 'z', 's')
    if h[1] and not h[7] then
      local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
      return {expired(clk, raw, now, x, cap) and 4 or 2, held}
    end
  end
  redis.call('SET', key, id)
end
local epoch = string.sub(replid, 1, 8) .. '.1'
redis.call('HSET', s, 'v', 1, 'a', identity, 'c', now, 'b', now, 't', timeout, 'w', warning, 'm', max, 'r', auto,
  'n', 0, 'l', now, 'o', 0, 'q', 1, 'e', epoch, 'g', replid, 'k1', epoch .. ':1')
if hash ~= '' then redis.call('HSET', s, 'k', hash) end
if sources ~= '' then redis.call('HSET', s, 'ts', sources) end
if ARGV[10] ~= '' then redis.call('SET', blob, ARGV[10]) end
local x = deadline(now, now, timeout, max)
redis.call('ZADD', due, x - lead(warning, timeout), id)
redis.call('ZADD', all, now, id)
redis.call('ZADD', byAgent, now, id)
redis.call('ZADD', byUser, now, id)
redis.call('ZADD', KEYS[13], 'NX', raw, id)
emit(log, channel, epoch, 1, now, ARGV[11] .. ',"createdAt":"' .. iso(now) .. '","expiresAt":"' .. iso(x) .. '"}}')
keep(KEYS[12], print, {1, now, epoch, id, timeout, warning, max, auto})
return {1, now, epoch}
