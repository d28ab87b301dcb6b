#!lua
-- Reads the agents' registry, or changes one entry.
-- KEYS[1] registry
-- ARGV[1] version that the caller has, or ""   ARGV[2] agent, or "" to read only
-- ARGV[3] its settings, or "" to delete it
-- Returns {version} when the caller's is the current one; {version, agent, settings, version of these, ...}
-- A version is max(previous + 1, now in ms), so that a registry that was lost never gets to an old one again.
local key, version, agent, settings = KEYS[1], unpack(ARGV)
local current = redis.call('HGET', key, 'version') or '0'
if agent ~= '' and (settings ~= '' or redis.call('HGET', key, agent)) then
  local time = redis.call('TIME')
  current = string.format('%.0f', math.max(tonumber(current) + 1, time[1] * 1000 + math.floor(time[2] / 1000)))
  redis.call('HSET', key, 'version', current)
  if settings ~= '' then
    redis.call('HSET', key, agent, settings, 'of ' .. agent, current)
  else
    redis.call('HDEL', key, agent, 'of ' .. agent)
  end
end
if current == version then return {current} end
local answer, all, versions = {current}, redis.call('HGETALL', key), {}
for i = 1, #all, 2 do versions[all[i]] = all[i + 1] end
for i = 1, #all, 2 do
  local id = all[i]
  if id ~= 'version' and id:sub(1, 3) ~= 'of ' then
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = id, all[i + 1], versions['of ' .. id] or '0'
  end
end
return answer
