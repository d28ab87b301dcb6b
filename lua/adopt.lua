#!lua
-- Lets a session work by turns from now on: each message that nobody has answered gets its turn.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] log   KEYS[4] channel   KEYS[5] due   KEYS[6] turns   KEYS[7] queue
-- KEYS[8] sessions with events that are not archived
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] head of the log that was looked at
-- ARGV[4] seqs of the messages, with commas, or "" (at most the length of a queue)
-- Returns {1, now}; {0} it has turns already, or does not live; {4} the log has grown: look again
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "branch"
--- @include "emit"
--- @include "fields"
--- @include "writer"
--- @include "turn"
--- @include "record"
--- @include "fresh"
--- @include "open"
local s, clk, log, channel, due, tn, q, wb = unpack(KEYS)
local id, replid, head, input = unpack(ARGV)
local raw, now = clock(clk)
local h = fields(s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'e', 'g', 'q', 'tc')
if not h.c or h.s or h.tc then return {0} end
local x, cap = deadline(h.c, h.b, h.t, h.m, h.y, h.z)
if expired(clk, raw, now, x, cap) then return {0} end
if h.q ~= head then return {4} end
local w = writer(log, channel, branch(s, replid, h.e, h.g, h.q), h.q, now, id)
redis.call('HSET', s, 'tc', 0)
for seq in string.gmatch(input, '%d+') do open(s, tn, q, w, now, seq, false) end
redis.call('HSET', s, 'q', w.head)
redis.call('ZADD', wb, 'NX', raw, id)
if input ~= '' then redis.call('ZADD', due, 'LT', now + 2000, id) end
return {1, now}
