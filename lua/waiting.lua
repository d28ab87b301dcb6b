#!lua flags=no-writes
-- Finds the ended sessions of one partition that wait for an archivist.
-- KEYS[1] arc
-- ARGV[1] ids at the most
-- Returns {{ids that nobody has claimed}, {ids whose archivist let the lease lapse}}
local time = redis.call('TIME')
local raw = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return {redis.call('ZRANGE', KEYS[1], 0, 0, 'BYSCORE', 'LIMIT', 0, ARGV[1]),
  redis.call('ZRANGE', KEYS[1], '(0', raw, 'BYSCORE', 'LIMIT', 0, ARGV[1])}
