-- Takes the lease from the running turn: its token is dead, and its open tool calls get a result, so that the history
-- stays legal; the deltas of what it was writing go.
local function unlease(s, tn, w, n, why)
  for call in string.gmatch(redis.call('HGET', tn, 'calls') or '', '%S+') do
    w.of(n, 'agent.tool_result', '"toolUseId":"' .. call .. '","content":"' .. why ..
      '","isError":true,"synthetic":true')
  end
  redis.call('HDEL', tn, 'calls')
  redis.call('DEL', w.deltas)
  redis.call('HDEL', s, 'y', 'yt', 'yn', 'z', 'dm', 'di', 'dp')
end
