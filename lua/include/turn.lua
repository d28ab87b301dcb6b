-- Reads a turn's record, status|input|attempt|queued at|started at|ended at: status is q queued, r running,
-- c completed, f failed or x cancelled; input the seqs of its messages, with commas. False when there is none.
local function turn(tn, n)
  local status, input, attempt, queued, started, ended =
    string.match(redis.call('HGET', tn, n) or '', '^(%a)|([%d,]*)|(%d+)|(%d*)|(%d*)|(%d*)$')
  if not status then return false end
  return {
    status = status, input = input, attempt = tonumber(attempt), queued = queued, started = started, ended = ended
  }
end
