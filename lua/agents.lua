#!lua
-- Reads the agents' registry, or changes one entry.
-- KEYS[1] registry
-- ARGV[1] version that the caller has, or ""   ARGV[2] agent, or "" to read only
-- ARGV[3] its settings, or "" to delete it
-- Returns {version} when the caller's is the current one; {version, agent, settings, ...}
local key, version, agent, settings = KEYS[1], unpack(ARGV)
if agent ~= '' then
  local before = redis.call('HGET', key, agent) or ''
  if settings ~= '' then redis.call('HSET', key, agent, settings) else redis.call('HDEL', key, agent) end
  if settings ~= before then redis.call('HINCRBY', key, 'version', 1) end
end
local current = redis.call('HGET', key, 'version') or '0'
if current == version then return {current} end
local answer, all = {current}, redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if all[i] ~= 'version' then answer[#answer + 1], answer[#answer + 2] = all[i], all[i + 1] end
end
return answer
