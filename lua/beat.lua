#!lua flags=allow-oom
-- Heartbeats up to 32 sessions of one partition in the usual case, in which nothing is logged. A session that has been
-- warned is left to touch, which takes the warning back.
-- KEYS[1] clock, then for each session: KEYS[2] session, and for whole answers its blob behind it
-- ARGV[1] 1 for whole answers
-- Returns {now, one answer a session}: {0} nothing there; {2} past its deadline; {3} closed; {4} touch it instead;
--   {1, extended 0 or 1, deadline, head} or, whole, {1, extended, "c b t w m r n l o q e y z ts" with - for what is
--   absent, agent and user, blob}
--- @include "clock"
--- @include "deadline"
--- @include "expired"
local clk, whole = KEYS[1], ARGV[1] == '1'
local raw, now = clock(clk)
-- Redis takes longer to write a number than Lua does.
local stamp = string.format('%.0f', now)
local function beat(s, blob)
  local c, b, t, m, y, z, ended, r, x, n, q, w, o, e, a, ts = unpack(
    whole and redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'x', 'n', 'q', 'w', 'o', 'e', 'a', 'ts')
      or redis.call('HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'r', 'x', 'n', 'q'))
  if not c then return {0} end
  if ended then return {3} end
  local at, cap = deadline(c, b, t, m, y, z)
  if expired(clk, raw, now, at, cap) then return {2} end
  local extended = 0
  if r == '1' and at < cap then
    if x then return {4} end
    extended, b, n = 1, now, n + 1
    at = deadline(c, b, t, m, y, z)
    redis.call('HSET', s, 'b', stamp, 'n', n, 'l', stamp)
  else
    redis.call('HSET', s, 'l', stamp)
  end
  if not whole then return {1, extended, at, tonumber(q)} end
  local line = c .. ' ' .. b .. ' ' .. t .. ' ' .. w .. ' ' .. m .. ' ' .. r .. ' ' .. n .. ' ' .. now .. ' ' ..
    o .. ' ' .. q .. ' ' .. e .. ' ' .. (y or '-') .. ' ' .. (z or '-') .. ' ' .. (ts or '-')
  return {1, extended, line, a, redis.call('GET', blob)}
end
local answers = {now}
for i = 2, #KEYS, whole and 2 or 1 do answers[#answers + 1] = beat(KEYS[i], KEYS[i + 1]) end
return answers
