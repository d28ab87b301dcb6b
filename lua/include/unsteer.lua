-- Makes turns of their own of the messages that were meant for the running turn and that it did not take, in their
-- places of the queue, so that no input is lost.
local function unsteer(s, tn, q, w, now)
  if redis.call('HDEL', s, 'ys') == 0 then return end
  for place, entry in ipairs(redis.call('LRANGE', q, 0, -1)) do
    local seq = string.match(entry, '^s(%d+)$')
    if seq then
      local n = fresh(s, tn, now, seq)
      redis.call('LSET', q, place - 1, n)
      w.of(n, 'turn.queued', '"input":[' .. seq .. ']')
    end
  end
end
