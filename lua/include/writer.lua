-- Writes events one after the other behind a head. The caller stores the head when it is done.
local function writer(log, channel, epoch, head, now, id, deltas)
  local w = {head = tonumber(head), deltas = deltas}
  function w.emit(body)
    w.head = w.head + 1
    emit(log, channel, epoch, w.head, now, body)
    return w.head
  end
  function w.of(n, type, data)
    return w.emit('"type":"' .. type .. '","sessionId":"' .. id .. '","turnId":"' .. id .. '.' .. n ..
      '","data":{' .. data .. '}}')
  end
  return w
end
