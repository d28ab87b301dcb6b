-- Logs one event and publishes it, the same bytes. What is over 8 KiB is published as a doorbell: read the log.
local function emit(log, channel, epoch, seq, at, body)
  local head = '{"v":1,"epoch":"' .. epoch .. '","seq":' .. seq
  local event = head .. ',"at":' .. string.format('%.0f', at) .. ',' .. body
  redis.call('RPUSH', log, event)
  redis.call('SPUBLISH', channel, #event <= 8192 and event or head .. ',"doorbell":true}')
end
