#!lua
-- End erasures that nobody asked for again meanwhile, and note who has to clean its files now.
-- KEYS: erasures, scrubs.  ARGV: number of those who clean (0: that is noted already), their names; per erasure:
-- subject, when it was asked for.
-- Returns how many ended.
local names, ended = tonumber(ARGV[1]), 0
for at = names + 2, #ARGV, 2 do
  local asked = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if asked and tonumber(asked) == tonumber(ARGV[at + 1]) then
    ended = ended + redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
if ended > 0 and names > 0 then
  local time = redis.call('TIME')
  for at = 2, names + 1 do redis.call('HSET', KEYS[2], ARGV[at], time[1] .. '.' .. string.format('%06d', time[2])) end
end
return ended
