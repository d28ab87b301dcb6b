-- The epoch to write under. Redis gives every start and promotion another replication id; when the node's hint (the
-- first 16 digits) differs from the stored one and INFO agrees, a new branch begins right after the head. Its name,
-- 8 digits of the id and a counter, is never used twice. The last 8 branches are kept as k0..k7, "epoch:firstSeq".
local function branch(key, hint, epoch, id, head)
  if id == hint then return epoch end
  local ok, info = pcall(redis.call, 'INFO', 'replication')
  local real = ok and string.match(info, 'master_replid:(%x+)') or hint
  if string.sub(real, 1, 16) == id then return epoch end
  local number = tonumber(string.match(epoch, '%.(%d+)$')) + 1
  local name = string.sub(real, 1, 8) .. '.' .. number
  redis.call('HSET', key, 'e', name, 'g', string.sub(real, 1, 16), 'k' .. number % 8, name .. ':' .. head + 1)
  return name
end
