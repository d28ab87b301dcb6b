#!lua flags=allow-oom
-- Claims an ended session that no archivist has.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] arc   KEYS[4] log
-- ARGV[1] id   ARGV[2] archivist   ARGV[3] 16 hex digits for the token   ARGV[4] lease in ms
-- ARGV[5] live archivists, with a space before and behind each, or "" when they are not known
-- Returns {1, major of the token, head, archivist that had it before or nothing}; {0} somebody has it, or it is gone;
--   {2, archivist} another one has followed it; {3, archivist} only that one has its beginning, and it is gone
--- @include "clock"
--- @include "take"
if tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1])) ~= 0 then return {0} end
local raw, now = clock(KEYS[2])
return take(KEYS[1], KEYS[4], KEYS[3], raw, now, unpack(ARGV, 1, 5))
