#!lua flags=no-writes
-- Reads the turns of a live session, and its queue.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] turns   KEYS[4] queue
-- Returns {1, now, {number, record, ...}, {queue}, running turn or false, lease end or false, waits until or false,
--   open turns were ever 0 or 1}; {0} nothing there; {2} past its deadline; {3} closed
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "fields"
local s, clk, tn, q = unpack(KEYS)
local raw, now = clock(clk)
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'yn', 'tc')
if not h.c then return {0} end
if h.s then return {3} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) then return {2} end
return {1, now, redis.call('HGETALL', tn), redis.call('LRANGE', q, 0, -1), h.yn, h.y, h.z, h.tc and 1 or 0}
