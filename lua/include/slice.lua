-- Events from..to of a log, in order or newest first: at most `limit`, and fewer when they are over 1 MiB together, but
-- one at least. Returns them, and whether the bytes were too many.
local function slice(log, oldest, from, to, limit, backward)
  local bytes, events = 0, {}
  while from <= to and limit > 0 and bytes < 1048576 do
    local count = math.min(limit, 32, to - from + 1)
    local start = backward and to - count + 1 or from
    local chunk = redis.call('LRANGE', log, start - oldest, start - oldest + count - 1)
    for i = 1, count do
      local event = chunk[backward and count + 1 - i or i]
      if bytes > 0 and bytes + #event > 1048576 then bytes = 1048576 break end
      bytes = bytes + #event
      events[#events + 1] = event
    end
    limit = limit - count
    if backward then to = to - count else from = from + count end
  end
  return events, bytes >= 1048576
end
