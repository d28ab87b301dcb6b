-- Puts the running turn back to the front of the queue; another worker gets it.
local function requeue(s, tn, q, w, now, n, counted, why)
  unlease(s, tn, w, n, why)
  local t = turn(tn, n)
  t.status = 'q'
  if not counted then t.attempt = t.attempt - 1 end
  record(tn, n, t)
  w.of(n, 'turn.queued', '"input":[' .. t.input .. '],"attempt":' .. t.attempt .. ',"reason":"' .. why .. '"')
  unsteer(s, tn, q, w, now)
  redis.call('LPUSH', q, n)
end
