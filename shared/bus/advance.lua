#!lua
-- Append one event that nobody overtook: unless its id was admitted before, and only while its version is new.
-- KEYS: stream, ids of this window, ids of the window before, version of what it speaks about.
-- ARGV: fuse, seconds to remember ids, id, payload, version the payload carries, seconds to remember that.
-- Returns {1 (appended), 0 (seen before) or -1 (somebody spoke since), the version that stands}.
local now = tonumber(redis.call('GET', KEYS[4]) or '0')
if redis.call('SISMEMBER', KEYS[3], ARGV[3]) == 1 or redis.call('SISMEMBER', KEYS[2], ARGV[3]) == 1 then
  return {0, now}
end
if now >= tonumber(ARGV[5]) then
  return {-1, now}
end
redis.call('SADD', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', '__data__', ARGV[4])
redis.call('SET', KEYS[4], ARGV[5], 'EX', ARGV[6])
return {1, tonumber(ARGV[5])}
