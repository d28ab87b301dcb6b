-- Gives the lease on an ended session to an archivist. The token is ordered by its first part, which never goes back,
-- also when a failover lost the counter: max(previous + 1, now in ms); the random part makes it unique.
-- A session that another archivist has followed is that one's; when it is gone, anybody's whose log is whole. Who may
-- not have it looks at it again later, so that it does not stand in the way of the others.
local function take(s, log, arc, raw, now, id, owner, random, lease, live)
  local h = redis.call('HMGET', s, 's', 'ct', 'q', 'co', 'wo')
  if not h[1] then
    redis.call('ZREM', arc, id)
    return {0}
  end
  local follower = h[5] and string.match(h[5], '^[^.]*')
  if follower and follower ~= owner then
    local isThere = live == '' or string.find(live, ' ' .. follower .. ' ', 1, true)
    if isThere or redis.call('LLEN', log) < tonumber(h[3]) then
      redis.call('ZADD', arc, raw + (isThere and 2000 or lease), id)
      return {isThere and 2 or 3, follower}
    end
  end
  local major = math.max((tonumber(h[2]) or 0) + 1, now)
  redis.call('HSET', s, 'co', owner, 'ct', major, 'cr', random)
  redis.call('ZADD', arc, raw + lease, id)
  return {1, major, tonumber(h[3]), h[4] or nil}
end
