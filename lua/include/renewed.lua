-- The body of session.renewed.
local function renewed(id, x, count, cause)
  return '"type":"session.renewed","sessionId":"' .. id .. '","data":{"expiresAt":"' .. iso(x) ..
    '","renewalCount":' .. count .. ',"cause":"' .. cause .. '"}}'
end
