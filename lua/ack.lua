#!lua flags=allow-oom
-- Confirms that an archivist holds sessions of one partition on disk: their live keys go, the tombstones say who has
-- them.
-- KEYS[1] arc, then for each session (at most 32): KEYS[2] session   KEYS[3] blob   KEYS[4] log   KEYS[5] tombstone
-- ARGV[1] archivist   ARGV[2] life of the tombstones in ms
-- ARGV[3] id of the first session   ARGV[4] major of its token   ARGV[5] its random part, and so on
-- Returns {now, by Redis' own clock, one number a session}: 1 done; 2 done before, by this token; 0 another token is
--   current, or nobody knows it
local arc, owner, keep = KEYS[1], ARGV[1], ARGV[2]
local function ack(s, blob, log, grave, id, major, random)
  local h = redis.call('HMGET', s, 's', 'ct', 'cr', 'f', 'q', 'wf')
  local token = major .. '.' .. random
  if not h[1] then
    local g = redis.call('HMGET', grave, 'archivist', 'token')
    return g[1] == owner and g[2] == token and 2 or 0
  end
  if h[2] ~= major or h[3] ~= random then return 0 end
  redis.call('DEL', s, blob, log)
  redis.call('ZREM', arc, id)
  redis.call('HSET', grave, 'reason', h[1], 'at', h[4], 'head', h[5], 'archivist', owner, 'token', token)
  -- What was before its first event was lost with another archivist.
  if h[6] and h[6] ~= '1' then redis.call('HSET', grave, 'first', h[6]) end
  redis.call('PEXPIRE', grave, keep)
  return 1
end
local time = redis.call('TIME')
local answers = {time[1] * 1000 + math.floor(time[2] / 1000)}
for i = 3, #ARGV, 3 do
  local place = (i - 3) / 3 * 4 + 2
  answers[#answers + 1] = ack(KEYS[place], KEYS[place + 1], KEYS[place + 2], KEYS[place + 3], unpack(ARGV, i, i + 2))
end
return answers
