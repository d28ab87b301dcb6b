#!lua flags=allow-oom
-- Writes down what every archive must erase. Numbers only grow: microseconds of Redis time, or the last one plus one.
-- KEYS[1] purges   KEYS[2] clock
-- ARGV[1] "session" or "user"   ARGV[2] its id
-- Returns {number, now}
--- @include "clock"
local _, now = clock(KEYS[2])
local time = redis.call('TIME')
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local number = string.format('%.0f', math.max(time[1] * 1000000 + time[2], (tonumber(last[2]) or 0) + 1))
redis.call('ZADD', KEYS[1], number, number .. ' ' .. ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. string.format('%.0f', now))
return {tonumber(number), now}
