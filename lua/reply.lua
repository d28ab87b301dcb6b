#!lua
-- Leaves the answer to a question for the one who asked, and rings for it.
-- KEYS[1] answer   KEYS[2] channel
-- ARGV[1] the answer's bytes   ARGV[2] its life in ms   ARGV[3] number of the question, which the ring says
-- Returns {1}
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SPUBLISH', KEYS[2], ARGV[3])
return {1}
