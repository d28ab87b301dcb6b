#!lua flags=allow-oom
-- Notes how far somebody has come with an erasure.
-- KEYS[1] report
-- ARGV[1] who   ARGV[2] how far   ARGV[3] life of the report in ms
-- Returns {1}
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {1}
