-- Opens a turn for the messages with these seqs, at the end of the queue or at its front.
local function open(s, tn, q, w, now, input, front)
  local n = fresh(s, tn, now, input)
  redis.call(front and 'LPUSH' or 'RPUSH', q, n)
  w.of(n, 'turn.queued', '"input":[' .. input .. ']')
  return n
end
