#!lua
-- Puts a question on an archivist's list and rings for it. The list lapses with the patience of those who ask.
-- KEYS[1] list of questions, and the channel that rings
-- ARGV[1] question   ARGV[2] life of the list in ms   ARGV[3] questions that may wait at the most
-- Returns {1} asked; {0} too many wait already
local list = KEYS[1]
local question, life, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
if redis.call('LLEN', list) >= most then return {0} end
redis.call('RPUSH', list, question)
redis.call('PEXPIRE', list, life)
redis.call('SPUBLISH', list, '')
return {1}
