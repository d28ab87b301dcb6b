-- Whether a session with this deadline and this cap is over. After an outage it lives on for a while: as long as a
-- hold is open, or the sweepers have not been seen for longer than the outage threshold. The cap knows no grace.
local function expired(clk, raw, now, x, cap)
  if now < x then return false end
  if now >= cap then return true end
  local grace = redis.call('HMGET', clk, 'seen', 'hold', 'outage')
  if grace[2] and raw < tonumber(grace[2]) then return false end
  if grace[1] and raw - grace[1] > (tonumber(grace[3]) or 15000) then return false end
  return true
end
