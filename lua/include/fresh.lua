-- Makes the next turn of a session, which waits, for the messages with these seqs, and returns its number. Of the turns
-- that are over the last 256 keep their records; the log has all of them.
local function fresh(s, tn, now, input)
  local n = redis.call('HINCRBY', s, 'tc', 1)
  local old = turn(tn, n - 256)
  if old and old.ended ~= '' then redis.call('HDEL', tn, n - 256) end
  record(tn, n, {status = 'q', input = input, attempt = 0, queued = now, started = '', ended = ''})
  return n
end
