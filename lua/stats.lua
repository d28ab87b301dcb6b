#!lua flags=no-writes
-- Counts the sessions of one partition.
-- KEYS[1] all   KEYS[2] arc   KEYS[3] due   KEYS[4] clock   KEYS[5] sessions with events that are not archived
-- ARGV[1] ms within which a timer counts as soon
-- Returns {live, ended and not archived yet, timers due soon, ms since the oldest event that is not archived, or -1}
--- @include "clock"
local raw, now = clock(KEYS[4])
local oldest = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')[2]
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]),
  redis.call('ZCOUNT', KEYS[3], '-inf', string.format('%.0f', now + ARGV[1])),
  oldest and math.max(0, raw - oldest) or -1}
