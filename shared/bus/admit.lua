#!lua
-- Append events whose id was not admitted before; remember the ids.
-- KEYS: stream, ids of this window, ids of the window before.
-- ARGV: fuse, seconds to remember, then per event: id, payload.  Returns 1 (appended) or 0 (seen before) per event.
local fresh = {}
for at = 3, #ARGV, 2 do
  if redis.call('SISMEMBER', KEYS[3], ARGV[at]) == 1 or redis.call('SADD', KEYS[2], ARGV[at]) == 0 then
    fresh[#fresh + 1] = 0
  else
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', '__data__', ARGV[at + 1])
    fresh[#fresh + 1] = 1
  end
end
redis.call('EXPIRE', KEYS[2], ARGV[2])
return fresh
