#!lua flags=no-writes
-- Reads a session, or what is left of it.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] blob   KEYS[4] tombstone
-- Returns {state, now, fields, blob}: state 1 live, 2 past its deadline but not swept yet, 3 closed and not archived
--   yet, 4 only a tombstone (fields are its own), 0 nothing; fields is a flat list of names and values
--- @include "clock"
--- @include "deadline"
--- @include "expired"
local raw, now = clock(KEYS[2])
local h = redis.call('HMGET', KEYS[1], 'c', 'b', 't', 'm', 'y', 'z', 's')
if not h[1] then
  local grave = redis.call('HGETALL', KEYS[4])
  return {#grave > 0 and 4 or 0, now, grave, false}
end
local state = 1
if h[7] then
  state = 3
else
  local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
  if expired(KEYS[2], raw, now, x, cap) then state = 2 end
end
return {state, now, redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[3])}
