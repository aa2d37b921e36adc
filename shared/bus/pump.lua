#!lua
-- Move what is due from a delay set to its retry stream.
-- KEYS: delay set, retry stream.  ARGV: now (ms), how many at most.  Returns how many moved.
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, event in ipairs(due) do
  redis.call('XADD', KEYS[2], '*', '__data__', event)
end
if #due > 0 then redis.call('ZREM', KEYS[1], unpack(due)) end
return #due
