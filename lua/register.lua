#!lua flags=allow-oom
-- Enters a node in the registry, or renews its entry, and drops those that were silent too long. An entry further ahead
-- than that was written before the clock of this Redis went back: whoever wrote it and lives enters anew.
-- KEYS[1] nodes
-- ARGV[1] node   ARGV[2] ms of silence after which a node counts as gone
-- Returns the names of the live nodes
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now - ARGV[2]))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now + ARGV[2]), '+inf')
return redis.call('ZRANGE', KEYS[1], 0, -1)
