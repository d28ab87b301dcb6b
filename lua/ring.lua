#!lua
-- Rings for an agent: one of its sessions has a turn that waits. Only a doorbell; the session is the truth.
-- KEYS[1] ready list   KEYS[2] channel
-- ARGV[1] id of the session   ARGV[2] score, the time of the ring   ARGV[3] life of the list in ms
-- Returns {1}
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SPUBLISH', KEYS[2], ARGV[1])
return {1}
