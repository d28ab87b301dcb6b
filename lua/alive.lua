#!lua flags=no-writes
-- Reads a registry. An entry further ahead than a silence was written before the clock of this Redis went back.
-- KEYS[1] registry
-- ARGV[1] ms of silence after which a member counts as gone
-- Returns the names of the live members
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local from, to = string.format('%.0f', now - ARGV[1]), string.format('%.0f', now + ARGV[1])
return redis.call('ZRANGE', KEYS[1], from, to, 'BYSCORE')
