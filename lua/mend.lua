#!lua flags=allow-oom
-- Holds one session against the laws of the keyspace, and repairs what can be repaired safely, if that is asked for.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] due   KEYS[5] arc
-- KEYS[6] sessions with events that are not archived   KEYS[7] all   KEYS[8] index of the agent
-- KEYS[9] index of the user   KEYS[10] conversation key (without one: the session)
-- ARGV[1] id   ARGV[2] 1 to repair
-- Returns a list of what is wrong, each as a word; one that was repaired has a + behind it. Stale entries of a session
--   that is gone or has ended: due arc wb all agent user key. Of a live one: no-timer late-timer no-wb no-all no-agent
--   no-user no-key key-taken. Of an ended one: no-arc. Of both: no-log broken-log lost-events
--- @include "clock"
--- @include "deadline"
--- @include "fields"
local s, clk, log, due, arc, wb, all, byAgent, byUser, key = unpack(KEYS)
local id, repairs = ARGV[1], ARGV[2] == '1'
local raw, now = clock(clk)
local found = {}
local function wrong(word, ...)
  if repairs and ... then
    redis.call(...)
    word = word .. '+'
  end
  found[#found + 1] = word
end
local function stale(word, set)
  if redis.call('ZSCORE', set, id) then wrong(word, 'ZREM', set, id) end
end
local function missing(word, set, score)
  if not redis.call('ZSCORE', set, id) then wrong(word, 'ZADD', set, score, id) end
end
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'q', 'k', 'wa')
local holder = key ~= s and redis.call('GET', key)
local lives = h.c and not h.s
if lives then
  local x = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
  local at = tonumber(redis.call('ZSCORE', due, id) or nil)
  if not at then
    wrong('no-timer', 'ZADD', due, now, id)
  elseif at > x and x > now then
    wrong('late-timer', 'ZADD', due, 'LT', x, id)
  end
  missing('no-all', all, h.c)
  missing('no-agent', byAgent, h.c)
  missing('no-user', byUser, h.c)
  if (tonumber(h.wa) or 0) < tonumber(h.q) then missing('no-wb', wb, raw) end
  if key ~= s and holder ~= id then
    if holder then wrong('key-taken') else wrong('no-key', 'SET', key, id) end
  end
else
  stale('due', due)
  stale('wb', wb)
  stale('all', all)
  stale('agent', byAgent)
  stale('user', byUser)
  if holder == id then wrong('key', 'DEL', key) end
end
if h.s then missing('no-arc', arc, 0) else stale('arc', arc) end
if h.c then
  local length, head = redis.call('LLEN', log), tonumber(h.q)
  local function seq(place)
    return tonumber(string.match(redis.call('LINDEX', log, place) or '', '^{"v":1,"epoch":"[^"]*","seq":(%d+)'))
  end
  if length == 0 then
    wrong('no-log')
  elseif seq(-1) ~= head or seq(0) ~= head - length + 1 then
    wrong('broken-log')
  elseif head - length > (tonumber(h.wa) or 0) then
    wrong('lost-events')
  end
end
return found
