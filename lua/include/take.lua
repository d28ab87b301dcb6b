-- Gives the lease on an ended session to an archivist. The token is ordered by its first part, which never goes back,
-- also when a failover lost the counter: max(previous + 1, now in ms); the random part makes it unique.
local function take(s, arc, raw, now, id, owner, random, lease)
  local h = redis.call('HMGET', s, 's', 'ct', 'q')
  if not h[1] then
    redis.call('ZREM', arc, id)
    return {0}
  end
  local major = math.max((tonumber(h[2]) or 0) + 1, now)
  redis.call('HSET', s, 'co', owner, 'ct', major, 'cr', random)
  redis.call('ZADD', arc, raw + lease, id)
  return {1, major, tonumber(h[3])}
end
