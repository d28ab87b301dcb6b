-- The time of this Redis in ms, read once a script: raw, and as sessions see it (the same, but for the test clock).
local function clock(_)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return now, now
end
