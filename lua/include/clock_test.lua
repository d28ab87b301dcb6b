-- Takes the place of `clock` on nodes started with --test-clock: sessions see raw time plus the partition's offset.
local function clock(key)
  local time = redis.call('TIME')
  local raw = time[1] * 1000 + math.floor(time[2] / 1000)
  return raw, raw + (tonumber(redis.call('HGET', key, 'offset')) or 0)
end
