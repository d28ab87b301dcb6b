-- The named fields of a session, by name; one that is absent is false.
local function fields(key, ...)
  local values, h = redis.call('HMGET', key, ...), {}
  for i, name in ipairs({...}) do h[name] = values[i] end
  return h
end
