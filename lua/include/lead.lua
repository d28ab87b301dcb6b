-- How long before the deadline the warning comes: never more than half of the timeout.
local function lead(warning, timeout)
  return math.min(warning, math.floor(timeout / 2))
end
