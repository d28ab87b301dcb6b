-- Keeps an answer of words and numbers for a day under an idempotency key, if there is one.
local function keep(key, print, answer)
  if print ~= '' then redis.call('SET', key, print .. ' ' .. table.concat(answer, ' '), 'PX', 86400000) end
end
