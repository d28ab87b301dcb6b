-- Law 1: min(max(base + timeout, lease end, interaction deadline), created + max duration), and the cap itself.
local function deadline(created, base, timeout, max, lease, interaction)
  local cap = created + max
  local wanted = math.max(base + timeout, tonumber(lease) or 0, tonumber(interaction) or 0)
  return math.min(wanted, cap), cap
end
