#!lua flags=allow-oom
-- Takes from a bucket as much of what is asked for as its rate allows (the generic cell rate algorithm).
-- KEYS[1] bucket: when it will be full again, in microseconds of Redis time; absent when it is full
-- ARGV[1] microseconds between two requests at the rate   ARGV[2] how many may come at once   ARGV[3] how many ask
-- Returns {how many may pass, how many more could now, microseconds until the next one could, until it is full}
local bucket = KEYS[1]
local interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local capacity = burst * interval
-- Never further ahead than an empty bucket: the clock of this Redis may have gone back.
local full = math.min(math.max(tonumber(redis.call('GET', bucket)) or 0, now), now + capacity)
local granted = math.min(wanted, math.floor((now + capacity - full) / interval))
if granted > 0 then
  full = full + granted * interval
  redis.call('SET', bucket, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
end
local left = math.floor((now + capacity - full) / interval)
return {granted, left, left > 0 and 0 or full + interval - capacity - now, full - now}
