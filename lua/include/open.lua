-- Opens a turn for the messages with these seqs, at the end of the queue or at its front. Of the turns that are over
-- the last 256 keep their records; the log has all of them.
local function open(s, tn, q, w, now, input, front)
  local n = redis.call('HINCRBY', s, 'tc', 1)
  local old = turn(tn, n - 256)
  if old and old.ended ~= '' then redis.call('HDEL', tn, n - 256) end
  record(tn, n, {status = 'q', input = input, attempt = 0, queued = now, started = '', ended = ''})
  redis.call(front and 'LPUSH' or 'RPUSH', q, n)
  w.of(n, 'turn.queued', '"input":[' .. input .. ']')
  return n
end
