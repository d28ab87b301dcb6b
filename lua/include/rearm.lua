-- Takes a warning back, because the deadline has moved on to x. Near the cap the next one may be due before the old
-- deadline, where the timer stands: then the timer moves forward, for it may be early but never late.
local function rearm(key, due, id, x, timeout)
  redis.call('HDEL', key, 'x')
  redis.call('ZADD', due, 'LT', x - lead(redis.call('HGET', key, 'w'), timeout), id)
end
