#!lua flags=no-writes
-- Reads what the status and the phase of sessions of one partition follow from, and how many turns wait in them.
-- KEYS[1] clock, then for each session: KEYS[2] session   KEYS[3] queue
-- Returns {now, one answer a session}: {length of the queue, a flat list of names and values, as far as they are there}
--- @include "clock"
local names = {'a', 'b', 'c', 'e', 'f', 'l', 'm', 'o', 'q', 's', 't', 'w', 'y', 'z'}
local _, now = clock(KEYS[1])
local answer = {now}
for i = 2, #KEYS, 2 do
  local flat = {}
  for place, value in ipairs(redis.call('HMGET', KEYS[i], unpack(names))) do
    if value then
      flat[#flat + 1], flat[#flat + 2] = names[place], value
    end
  end
  answer[#answer + 1] = {redis.call('LLEN', KEYS[i + 1]), flat}
end
return answer
