-- Ends the running turn.
local function stop(s, tn, q, w, now, n, status, data, why)
  local names = {c = 'turn.completed', f = 'turn.failed', x = 'turn.cancelled'}
  unlease(s, tn, w, n, why)
  local t = turn(tn, n)
  t.status, t.ended = status, now
  record(tn, n, t)
  w.of(n, names[status], data)
  unsteer(s, tn, q, w, now)
end
