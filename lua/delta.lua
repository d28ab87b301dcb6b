#!lua
-- Publishes what was added to a message that is being written, and keeps it for those who join before it is done.
-- KEYS[1] session   KEYS[2] clock   KEYS[3] deltas   KEYS[4] channel
-- KEYS[5] idempotency key (without one: the session)
-- ARGV[1] id   ARGV[2] first 16 digits of the replication id   ARGV[3] id of the message
-- ARGV[4] "", or id of the turn, or that, a space, and its worker's token
-- ARGV[5] life of the deltas in ms   ARGV[6] how many of them are kept
-- ARGV[7] fingerprint of the request, beginning with a letter, or ""
-- ARGV[8] the sender's number of its first piece, from 0, or ""   ARGV[9] the piece as JSON text without quotes, ...
-- Returns {1, now, epoch, head, number of the delta, pieces of the message so far}; {0} nothing there;
--   {2} past its deadline; {3} closed; {7, pieces so far} pieces before these are missing;
--   {4} the token is not the current one; {8} the idempotency key was used with another body
--- @include "clock"
--- @include "deadline"
--- @include "expired"
--- @include "branch"
--- @include "replay"
--- @include "keep"
local s, clk, deltas, channel, idem = unpack(KEYS)
local id, replid, message, turn, life, most, print = unpack(ARGV, 1, 7)
local known = replay(idem, print)
if known then return #known == 1 and {8} or known end
local raw, now = clock(clk)
local h = redis.call(
  'HMGET', s, 'c', 'b', 't', 'm', 'y', 'z', 's', 'e', 'g', 'q', 'dn', 'dm', 'di', 'dp', 'yt', 'yn', 'tc')
if not h[1] then return {0} end
if h[7] then return {3} end
local x, cap = deadline(h[1], h[2], h[3], h[4], h[5], h[6])
if expired(clk, raw, now, x, cap) then return {2} end
local n, token = string.match(turn, '%.(%d+) ?(%S*)$')
if n and (token ~= '' or h[17]) then
  -- Without a token only the running turn writes; nothing of a turn comes after its end.
  if h[16] ~= n or now >= tonumber(h[5]) or (token ~= '' and h[15] ~= token) then return {4} end
  turn = id .. '.' .. n
end
local number, index, pieces = tonumber(h[11]) or 0, tonumber(h[13]) or 0, tonumber(h[14]) or 0
if h[12] ~= message then
  redis.call('DEL', deltas)
  index, pieces = 0, 0
end
local text = {}
for i = 8, #ARGV, 2 do
  local at = tonumber(ARGV[i]) or pieces
  if at > pieces then return {7, pieces} end
  if at == pieces then
    text[#text + 1] = ARGV[i + 1]
    pieces = pieces + 1
  end
end
local epoch = branch(s, replid, h[8], h[9], h[10])
if #text > 0 then
  number = number + 1
  local head = '{"v":1,"epoch":"' .. epoch .. '","delta":' .. number
  local event = head .. ',"at":' .. string.format('%.0f', now) .. ',"type":"agent.message.delta","sessionId":"' .. id ..
    (turn ~= '' and '","turnId":"' .. turn or '') .. '","data":{"messageId":"' .. message .. '","index":' .. index ..
    ',"text":"' .. table.concat(text) .. '"}}'
  if redis.call('RPUSH', deltas, event) > tonumber(most) then redis.call('LPOP', deltas) end
  redis.call('PEXPIRE', deltas, life)
  redis.call('HSET', s, 'dn', number, 'dm', message, 'di', index + 1, 'dp', pieces)
  redis.call('SPUBLISH', channel, #event <= 8192 and event or head .. ',"doorbell":true}')
end
local answer = {1, now, epoch, tonumber(h[10]), number, pieces}
keep(idem, print, answer)
return answer
