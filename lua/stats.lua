#!lua flags=no-writes
-- Counts the sessions of some partitions.
-- For each partition (in a cluster one): KEYS[1] all   KEYS[2] arc   KEYS[3] due   KEYS[4] clock
--   KEYS[5] sessions with events that are not archived
-- ARGV[1] ms within which a timer counts as soon
-- Returns the sums {live, ended and not archived yet, timers due soon}, and behind them the greatest of: ms since the
--   oldest event that is not archived, or -1
--- @include "clock"
local live, ended, soon, lag = 0, 0, 0, -1
for i = 1, #KEYS, 5 do
  local raw, now = clock(KEYS[i + 3])
  live = live + redis.call('ZCARD', KEYS[i])
  ended = ended + redis.call('ZCARD', KEYS[i + 1])
  soon = soon + redis.call('ZCOUNT', KEYS[i + 2], '-inf', string.format('%.0f', now + ARGV[1]))
  local oldest = redis.call('ZRANGE', KEYS[i + 4], 0, 0, 'WITHSCORES')[2]
  if oldest then lag = math.max(lag, raw - oldest) end
end
return {live, ended, soon, lag}
