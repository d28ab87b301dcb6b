#!lua
-- Renews the entries of the connections that are attached to sessions of one partition, and takes off those that have
-- left or were silent for too long. What changed is published, by at most 24 entries.
-- KEYS[1] clock, then for each session:   KEYS[2] session   KEYS[3] presence   KEYS[4] channel
-- ARGV[1] life of an entry in ms, then for each session:   ARGV[2] id   ARGV[3] how many are attached
-- ARGV[4] how many have left   ARGV[5] the entries of both as JSON objects, and so on
-- Returns {now}
--- @include "clock"
local raw, now = clock(KEYS[1])
local life, at = tonumber(ARGV[1]), 2
local function publish(channel, epoch, id, joined, left, count)
  redis.call('SPUBLISH', channel, '{"v":1,"epoch":"' .. epoch .. '","at":' .. string.format('%.0f', now) ..
    ',"type":"presence","sessionId":"' .. id .. '","data":{"joined":[' .. table.concat(joined, ',') .. '],"left":[' ..
    table.concat(left, ',') .. '],"count":' .. count .. '}}')
end
local function renew(s, p, channel, id, here, first, last)
  local h = redis.call('HMGET', s, 'e', 's')
  if not h[1] or h[2] then
    redis.call('DEL', p)
    return
  end
  local changed = {}
  for i = first, first + here - 1 do
    if redis.call('ZADD', p, raw + life, ARGV[i]) == 1 then changed[#changed + 1] = {true, ARGV[i]} end
  end
  for i = first + here, last do
    if redis.call('ZREM', p, ARGV[i]) == 1 then changed[#changed + 1] = {false, ARGV[i]} end
  end
  for _, silent in ipairs(redis.call('ZRANGE', p, '-inf', raw, 'BYSCORE', 'LIMIT', 0, 256)) do
    redis.call('ZREM', p, silent)
    changed[#changed + 1] = {false, silent}
  end
  if here > 0 then redis.call('PEXPIRE', p, life) end
  local count = #changed > 0 and redis.call('ZCARD', p)
  for from = 1, #changed, 24 do
    local joined, left = {}, {}
    for i = from, math.min(from + 23, #changed) do
      local list = changed[i][1] and joined or left
      list[#list + 1] = changed[i][2]
    end
    publish(channel, h[1], id, joined, left, count)
  end
end
for k = 2, #KEYS, 3 do
  local here, gone = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local last = at + 2 + here + gone
  renew(KEYS[k], KEYS[k + 1], KEYS[k + 2], ARGV[at], here, at + 3, last)
  at = last + 1
end
return {now}
