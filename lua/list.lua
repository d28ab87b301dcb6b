#!lua flags=no-writes
-- Pages an index of live sessions, newest first.
-- KEYS[1] index
-- ARGV[1] createdAt of the last one seen, or "+inf"   ARGV[2] its id, or ""   ARGV[3] how many at the most (1000)
-- Returns {size of the index, id, createdAt, id, createdAt, ...}
local before, id, limit = ARGV[1], ARGV[2], math.min(tonumber(ARGV[3]), 1000)
local answer, offset = {redis.call('ZCARD', KEYS[1])}, 0
while #answer < 1 + 2 * limit and offset < 4096 do
  local page = redis.call('ZRANGE', KEYS[1], before, '-inf', 'BYSCORE', 'REV', 'LIMIT', offset, limit, 'WITHSCORES')
  for i = 1, #page, 2 do
    if (page[i + 1] ~= before or page[i] < id) and #answer < 1 + 2 * limit then
      answer[#answer + 1], answer[#answer + 2] = page[i], page[i + 1]
    end
  end
  if #page < 2 * limit then break end
  offset = offset + limit
end
return answer
