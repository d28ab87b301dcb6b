-- Writes a turn's record; see `turn`.
local function record(tn, n, t)
  redis.call('HSET', tn, n, table.concat({t.status, t.input, t.attempt, t.queued, t.started, t.ended}, '|'))
end
