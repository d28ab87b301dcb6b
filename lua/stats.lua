#!lua flags=no-writes
-- Counts the sessions of one partition.
-- KEYS[1] all   KEYS[2] arc   KEYS[3] due   KEYS[4] clock
-- ARGV[1] ms within which a timer counts as soon
-- Returns {live, ended and not archived yet, timers due soon}
--- @include "clock"
local _, now = clock(KEYS[4])
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]),
  redis.call('ZCOUNT', KEYS[3], '-inf', string.format('%.0f', now + ARGV[1]))}
