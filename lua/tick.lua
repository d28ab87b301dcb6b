#!lua flags=allow-oom
-- Looks at one partition: what is due, and when to look again. Notes that it was here, and opens a hold when nobody
-- was for longer than the outage threshold, or when the clock went back by over a second.
-- KEYS[1] due   KEYS[2] clock
-- ARGV[1] outage threshold in ms   ARGV[2] length of a hold in ms   ARGV[3] due ids at the most
-- Returns {now, ms until the next due one or -1, {due ids}, ms that nobody was here if a hold was opened, else 0}
--- @include "clock"
local due, clk = unpack(KEYS)
local outage, hold = tonumber(ARGV[1]), tonumber(ARGV[2])
local raw, now = clock(clk)
local c = redis.call('HMGET', clk, 'seen', 'outage')
local gap, opened = raw - (tonumber(c[1]) or raw), 0
if gap > outage or gap < -1000 then
  opened = gap
  redis.call('HSET', clk, 'hold', raw + hold)
end
if not c[1] or gap < 0 or gap >= math.min(5000, outage / 3) or c[2] ~= ARGV[1] then
  redis.call('HSET', clk, 'seen', raw, 'outage', outage)
end
local ids = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[3])
local after = '(' .. string.format('%.0f', now)
local upcoming = redis.call('ZRANGE', due, after, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
return {now, upcoming[2] and upcoming[2] - now or -1, ids, opened}
