#!lua
-- Fixes what all nodes of a keyspace must agree on, where nobody has, and says what it is.
-- KEYS[1] meta
-- ARGV[1] schema, major.minor   ARGV[2] partitions   ARGV[3] archive mode to record, or "" to leave it
-- ARGV[4] archive mode where none is recorded
-- Returns {schema, partitions, archive mode}
redis.call('HSETNX', KEYS[1], 'schema', ARGV[1])
redis.call('HSETNX', KEYS[1], 'partitions', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'archive', ARGV[3])
else
  redis.call('HSETNX', KEYS[1], 'archive', ARGV[4] or 'archive')
end
return redis.call('HMGET', KEYS[1], 'schema', 'partitions', 'archive')
