#!lua flags=allow-oom
-- Claims an ended session that no archivist has.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] arc
-- ARGV[1] id   ARGV[2] archivist   ARGV[3] 16 hex digits for the token   ARGV[4] lease in ms
-- Returns {1, major of the token, head}; {0} somebody has it, or it is gone
--- @include "clock"
--- @include "take"
if tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1])) ~= 0 then return {0} end
local raw, now = clock(KEYS[2])
return take(KEYS[1], KEYS[3], raw, now, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
