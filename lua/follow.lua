#!lua flags=allow-oom
-- Reads what an archivist does not have yet of a live session's log; the first one to come follows it from then on.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] blob   KEYS[4] log   KEYS[5] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] archivist   ARGV[3] 16 hex digits for its token   ARGV[4] live archivists, with a
--   space before and behind each, or "" when they are not known
-- ARGV[5] first seq to read, or "" for the one after the archived head   ARGV[6] how many events at the most (512)
-- ARGV[7] 0 if it may only go on following
-- Returns {1, now, token, archived head, head, epoch, first seq that can be had, first seq that is read, {events},
--   {fields}, blob}, with fields and blob only at the beginning or when a first seq is given; {0} it does not live;
--   {2, archivist} another one follows it; {3, archivist} only that one has the beginning, and it is gone;
--   {4} nobody follows it who is there
--- @include "clock"
--- @include "fields"
--- @include "slice"
local s, clk, blob, log, wb = unpack(KEYS)
local id, owner, random, live, first, limit, mayBegin = unpack(ARGV)
local _, now = clock(clk)
local h = fields(s, 's', 'q', 'e', 'wo', 'wa', 'wf')
if not h.q or h.s then
  redis.call('ZREM', wb, id)
  return {0}
end
local head = tonumber(h.q)
local oldest = head - redis.call('LLEN', log) + 1
local follower, token = string.match(h.wo or '', '^([^.]*)%.(.*)$')
if follower ~= owner then
  local isThere = live == '' or string.find(live, ' ' .. (follower or '') .. ' ', 1, true)
  if follower and isThere then return {2, follower} end
  if mayBegin == '0' then return {4} end
  if oldest > 1 then return {3, follower or ''} end
  token = random
  redis.call('HSET', s, 'wo', owner .. '.' .. token, 'wa', 0, 'wf', 1)
  h.wa, h.wf = 0, 1
end
local from = math.max(tonumber(first) or h.wa + 1, oldest)
local whole = first ~= '' or tonumber(h.wa) < tonumber(h.wf)
return {1, now, token, tonumber(h.wa), head, h.e, tonumber(h.wf), from,
  (slice(log, oldest, from, head, math.min(tonumber(limit), 512), false)),
  whole and redis.call('HGETALL', s) or {}, whole and redis.call('GET', blob)}
