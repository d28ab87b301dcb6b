#!lua flags=allow-oom
-- Takes over ended sessions of one partition whose archivist let its lease lapse.
-- KEYS[1] clock   KEYS[2] arc, then for each session (at most 32): KEYS[3] session   KEYS[4] log
-- ARGV[1] archivist   ARGV[2] 16 hex digits for the tokens   ARGV[3] lease in ms
-- ARGV[4] live archivists, with a space before and behind each, or "" when they are not known
-- ARGV[5] id of the first session, and so on
-- Returns one answer a session: {1, major of the token, head, archivist that had it before or nothing}; {0} the
--   lease holds, or it is gone; {2, archivist} another one has followed it; {3, archivist} only that one has its
--   beginning, and it is gone
--- @include "clock"
--- @include "take"
local raw, now = clock(KEYS[1])
local answers = {}
for i = 5, #ARGV do
  local place, score = 2 * (i - 5) + 3, tonumber(redis.call('ZSCORE', KEYS[2], ARGV[i]) or 0)
  answers[i - 4] = score ~= 0 and score <= raw and
    take(KEYS[place], KEYS[place + 1], KEYS[2], raw, now, ARGV[i], unpack(ARGV, 1, 4)) or {0}
end
return answers
