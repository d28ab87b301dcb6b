#!lua flags=no-writes
-- Reads ended sessions of one partition whole, for their archivist.
-- KEYS[1] clock, then for each session (at most 32): KEYS[2] session   KEYS[3] blob   KEYS[4] log
-- ARGV[1] archivist: of what it has followed only the rest is read
-- Returns {now, one answer a session}: {fields, blob, {events up to the last one}, first seq that can be had}; {} it
--   has not ended, or it is too large to be read together with others
--- @include "clock"
--- @include "fields"
--- @include "slice"
local _, now = clock(KEYS[1])
local bytes = 0
local function gather(s, blob, log)
  local h = fields(s, 's', 'q', 'wo', 'wa', 'wf')
  if not h.s or bytes >= 1048576 then return {} end
  local head = tonumber(h.q)
  local oldest = head - redis.call('LLEN', log) + 1
  local from = oldest
  if h.wo and string.match(h.wo, '^[^.]*') == ARGV[1] then from = math.max(from, h.wa + 1) end
  if head - from >= 256 then return {} end
  local events, tooMany = slice(log, oldest, from, head, 256, false)
  for i = 1, #events do bytes = bytes + #events[i] end
  if tooMany and #events < head - from + 1 then return {} end
  return {redis.call('HGETALL', s), redis.call('GET', blob), events, tonumber(h.wf) or 1}
end
local answers = {now}
for i = 2, #KEYS, 3 do answers[#answers + 1] = gather(KEYS[i], KEYS[i + 1], KEYS[i + 2]) end
return answers
