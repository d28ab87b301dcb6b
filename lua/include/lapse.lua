-- Deals with a running turn whose lease is over: the worker is gone, and after so many attempts the turn has failed.
local function lapse(s, tn, q, w, now, n, attempts)
  local t = turn(tn, n)
  if t.attempt < tonumber(attempts) then
    requeue(s, tn, q, w, now, n, true, 'leaseExpired')
  else
    stop(s, tn, q, w, now, n, 'f', '"error":"leaseExpired","attempts":' .. t.attempt, 'leaseExpired')
  end
end
