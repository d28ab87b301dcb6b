#!lua flags=no-writes
-- Pages an index of live sessions, newest first, and counts the sessions of its partition.
-- KEYS[1] index   KEYS[2] all   KEYS[3] arc
-- ARGV[1] createdAt of the last one seen, or "+inf"   ARGV[2] its id, or ""   ARGV[3] how many at the most (1000)
-- Returns {size of the index, live, ended and not archived yet, id, createdAt, id, createdAt, ...}
local before, id, limit = ARGV[1], ARGV[2], math.min(tonumber(ARGV[3]), 1000)
local size = redis.call('ZCARD', KEYS[1])
local answer = {size, KEYS[2] == KEYS[1] and size or redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[3])}
local offset = 0
local full = 3 + 2 * limit
while #answer < full and offset < 4096 do
  local page = redis.call('ZRANGE', KEYS[1], before, '-inf', 'BYSCORE', 'REV', 'LIMIT', offset, limit, 'WITHSCORES')
  for i = 1, #page, 2 do
    if (page[i + 1] ~= before or page[i] < id) and #answer < full then
      answer[#answer + 1], answer[#answer + 2] = page[i], page[i + 1]
    end
  end
  if #page < 2 * limit then break end
  offset = offset + limit
end
return answer
