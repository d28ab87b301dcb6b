#!lua
-- Notes in one partition that an agent works by turns, and names its sessions there, until they have got their turns.
-- KEYS[1] agents that work by turns; with a "+" behind: those whose sessions have got their turns
-- KEYS[2] index of the agent
-- ARGV[1] agent, 16 bytes
-- Returns {id of each live session of the agent, ...}
local done = ARGV[1] .. '+'
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('SISMEMBER', KEYS[1], done) == 1 then return {} end
local ids = redis.call('ZRANGE', KEYS[2], 0, -1)
if #ids == 0 then redis.call('SADD', KEYS[1], done) end
return ids
