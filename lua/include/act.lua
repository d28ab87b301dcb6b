-- Notes activity, `messages` of it messages; under auto-renewal it renews the session. `wake` says what the timer must
-- know: true, a turn waits for a worker; false, the lease is gone and the deadline may be earlier; nil, nothing.
-- Returns the deadline, the renewals, and whether there was one, 0 or 1.
local function act(s, due, w, id, now, h, messages, wake)
  local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
  local count, extended, warned = tonumber(h.n), 0, tonumber(h.x)
  redis.call('HSET', s, 'l', now, 'o', h.o + messages)
  if h.r == '1' and h.b + h.t < cap then
    extended, count = 1, count + 1
    x = deadline(h.c, now, h.t, h.m, h.y, h.z)
    redis.call('HSET', s, 'b', now, 'n', count)
    if warned and x ~= warned then
      redis.call('HDEL', s, 'x')
      w.emit(renewed(id, x, count, 'message'))
    end
  end
  if wake ~= nil or warned then
    local score = warned == x and x or x - lead(h.w, h.t)
    redis.call('ZADD', due, 'LT', wake and math.min(score, now + 2000) or score, id)
  end
  return x, count, extended
end
