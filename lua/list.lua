#!lua flags=no-writes
-- Pages an index of live sessions, newest first, in some partitions, and counts the sessions of each.
-- For each partition (in a cluster one): KEYS[1] index   KEYS[2] all   KEYS[3] arc
-- ARGV[1] createdAt of the last one seen, or "+inf"   ARGV[2] its id, or ""   ARGV[3] how many at the most (1000)
-- Returns one answer a partition: {size of the index, live, ended and not archived yet, id, createdAt, id, createdAt,
--   ...}
local before, id, limit = ARGV[1], ARGV[2], math.min(tonumber(ARGV[3]), 1000)
local full = 3 + 2 * limit
local function list(index, all, arc)
  local size = redis.call('ZCARD', index)
  local answer = {size, all == index and size or redis.call('ZCARD', all), redis.call('ZCARD', arc)}
  local offset = 0
  while #answer < full and offset < 4096 do
    local page = redis.call('ZRANGE', index, before, '-inf', 'BYSCORE', 'REV', 'LIMIT', offset, limit, 'WITHSCORES')
    for i = 1, #page, 2 do
      if (page[i + 1] ~= before or page[i] < id) and #answer < full then
        answer[#answer + 1], answer[#answer + 2] = page[i], page[i + 1]
      end
    end
    if #page < 2 * limit then break end
    offset = offset + limit
  end
  return answer
end
local answers = {}
for i = 1, #KEYS, 3 do answers[#answers + 1] = list(KEYS[i], KEYS[i + 1], KEYS[i + 2]) end
return answers
