-- Ends the running turn. Messages that it did not take get turns of their own first, so that whoever waits for the
-- answer to one of them does not take the end of this turn for it.
local function stop(s, tn, q, w, now, n, status, data, why)
  local names = {c = 'turn.completed', f = 'turn.failed', x = 'turn.cancelled'}
  unlease(s, tn, w, n, why)
  local t = turn(tn, n)
  t.status, t.ended = status, now
  record(tn, n, t)
  unsteer(s, tn, q, w, now)
  w.of(n, names[status], data)
end
