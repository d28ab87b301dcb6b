#!lua flags=no-writes
-- Picks sessions of one partition for a count of how sessions stand: all when they are few, else so many that they are
-- spread evenly over the index.
-- KEYS[1] all   KEYS[2] arc
-- ARGV[1] how many of each at the most   ARGV[2] where to begin, 0 to 999 thousandths of the way from one to the next
-- Returns {size of all, {ids}, size of arc, {ids}}
local most, phase = tonumber(ARGV[1]), ARGV[2] / 1000
local function pick(index)
  local size = redis.call('ZCARD', index)
  if size <= most then return size, redis.call('ZRANGE', index, 0, -1) end
  local ids = {}
  for i = 1, most do
    local rank = math.floor((i - 1 + phase) * size / most)
    ids[i] = redis.call('ZRANGE', index, rank, rank)[1]
  end
  return size, ids
end
local live, these = pick(KEYS[1])
local ended, those = pick(KEYS[2])
return {live, these, ended, those}
