#!lua
-- Notes in one partition that an agent works by turns, and names its sessions there.
-- KEYS[1] agents that work by turns   KEYS[2] index of the agent
-- ARGV[1] agent, 16 bytes
-- Returns {id of each live session of the agent, ...}
redis.call('SADD', KEYS[1], ARGV[1])
return redis.call('ZRANGE', KEYS[2], 0, -1)
