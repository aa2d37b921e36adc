#!lua
-- Forget consumers that have nothing pending and have been idle for long. One step: a consumer that reads between
-- the look and the deletion would lose what it read.
-- KEYS: stream.  ARGV: group, idle time (ms).  Returns how many were forgotten.
local forgotten = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local info = {}
  for i = 1, #consumer, 2 do info[consumer[i]] = consumer[i + 1] end
  if info['pending'] == 0 and info['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info['name'])
    forgotten = forgotten + 1
  end
end
return forgotten
