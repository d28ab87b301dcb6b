#!lua flags=no-writes
-- Reads who is attached to a session.
-- KEYS[1] clock   KEYS[2] presence
-- ARGV[1] entries at the most
-- Returns {now, how many are attached, {their entries}}
--- @include "clock"
local raw, now = clock(KEYS[1])
local from = '(' .. string.format('%.0f', raw)
return {now, redis.call('ZCOUNT', KEYS[2], from, '+inf'),
  redis.call('ZRANGE', KEYS[2], from, '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[1])}
