-- What Redis 7 offers its scripts. No cjson: Lua never decodes or encodes JSON (it turns [] into {}).
std = "lua51"
read_globals = {"redis", "KEYS", "ARGV"}
max_line_length = 120
