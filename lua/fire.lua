#!lua flags=allow-oom
-- Looks at sessions of one partition that may be due: warns, re-arms, or says that they must be ended. A turn whose
-- worker is gone is queued again, and for one that waits the agent is to be rung for again, ever more seldom.
-- KEYS[1] clock   KEYS[2] due   KEYS[3] sessions with events that are not archived, then for each session (at most 16):
-- KEYS[4] session   KEYS[5] log   KEYS[6] channel   KEYS[7] turns   KEYS[8] queue   KEYS[9] deltas
-- ARGV[1] first 16 digits of the replication id   ARGV[2] attempts after which a turn has failed
-- ARGV[3] id of the first session, and so on
-- Returns one answer a session: {0} nothing to do any more; {1, next score} re-armed; {2, deadline, lateness in ms}
--   warned; {3, deadline, agent and user, hash of the conversation key or false} due: end it;
--   1 and 2 with agent and user behind them when the agent is to be rung for
--- @include "clock"
--- @include "deadline"
--- @include "lead"
--- @include "expired"
--- @include "iso"
--- @include "branch"
--- @include "emit"
--- @include "writer"
--- @include "turn"
--- @include "record"
--- @include "fresh"
--- @include "unlease"
--- @include "unsteer"
--- @include "stop"
--- @include "requeue"
--- @include "lapse"
local clk, due, wb, replid = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local raw, now = clock(clk)
local function fire(id, s, log, channel, tn, q, deltas)
  local h = redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'w', 'x', 'e', 'g', 'q', 'a', 'k', 'yn', 'tc',
    'xp')
  if not h[1] or h[7] then
    redis.call('ZREM', due, id)
    return {0}
  end
  local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
  if expired(clk, raw, now, x, cap) then return {3, x, h[13], h[14]} end
  -- When the turns must be looked at, and for whom to ring.
  local look, ring
  if h[15] and now >= tonumber(h[5]) then
    local w = writer(log, channel, branch(s, replid, h[10], h[11], h[12]), h[12], now, id, deltas)
    lapse(s, tn, q, w, now, h[15], ARGV[2])
    redis.call('HSET', s, 'q', w.head)
    redis.call('ZADD', wb, 'NX', raw, id)
    h[10], h[11], h[12] = unpack(redis.call('HMGET', s, 'e', 'g', 'q'))
    h[5], h[6], h[15] = false, false, false
    x = deadline(h[1], h[2], h[3], h[4])
  end
  if h[15] then
    look = tonumber(h[5])
  elseif h[16] then
    local first = redis.call('LINDEX', q, 0)
    if first then
      look, ring = now + math.min(math.max((now - turn(tn, first).queued) / 2, 2000), 60000), h[13]
    end
  end
  local at = x - lead(h[8], h[3])
  -- A deadline that is the end of a lease moves on with it: nobody is warned of it.
  local held = h[15] and x == tonumber(h[5]) and x < cap
  -- A lease that reaches the cap and ends before it brings the deadline back of which was warned first.
  local warned = tonumber(h[9]) == x or tonumber(h[17]) == x
  if now >= at and not warned and not held then
    local epoch, head = branch(s, replid, h[10], h[11], h[12]), h[12] + 1
    redis.call('HSET', s, 'x', x, 'q', head)
    if h[9] then redis.call('HSET', s, 'xp', h[9]) end
    redis.call('ZADD', wb, 'NX', raw, id)
    emit(log, channel, epoch, head, now, '"type":"session.expiring","sessionId":"' .. id .. '","data":{"expiresAt":"' ..
      iso(x) .. '","timeRemaining":' .. math.max(0, x - now) ..
      ',"canRenew":' .. (x < cap and 'true' or 'false') .. '}}')
    redis.call('ZADD', due, math.max(math.min(x, look or x), now + 1), id)
    return {2, x, now - at, ring}
  end
  local score = (warned or held) and x or at
  if now >= x then
    -- Past the deadline and alive: a hold is open, or tick is about to open one. Look again when it may be over.
    local hold = tonumber(redis.call('HGET', clk, 'hold')) or 0
    score = math.min(now + math.max(hold - raw, 1000), cap)
  end
  score = math.min(score, look or score)
  redis.call('ZADD', due, score, id)
  return {1, score, ring}
end
local answers = {}
for i = 3, #ARGV do
  local place = 6 * (i - 3) + 4
  answers[i - 2] = fire(ARGV[i], unpack(KEYS, place, place + 5))
end
return answers
