-- The answer that was kept under an idempotency key: false when there is none, {7} when it was for another body.
-- Numbers come back as numbers.
local function replay(key, print)
  local kept = print ~= '' and redis.call('GET', key)
  if not kept then return false end
  local answer = {}
  for word in string.gmatch(kept, '%S+') do
    answer[#answer + 1] = string.match(word, '^%d+$') and #word < 16 and tonumber(word) or word
  end
  if tostring(table.remove(answer, 1)) ~= print then return {7} end
  return answer
end
