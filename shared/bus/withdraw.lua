#!lua
-- Append a deletion unless its id was admitted before, and ask for the erasure in any case: one step, so that neither
-- is ever there without the other.
-- KEYS: stream, ids of this window, ids of the window before, erasures.
-- ARGV: fuse, seconds to remember, id, payload, subject.  Returns 1 (appended) or 0 (seen before).
local time = redis.call('TIME')
local at, fresh = time[1] * 1000 + math.floor(time[2] / 1000), 0
if redis.call('SISMEMBER', KEYS[3], ARGV[3]) == 0 and redis.call('SADD', KEYS[2], ARGV[3]) == 1 then
  local entry = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', '__data__', ARGV[4])
  at, fresh = math.max(at, tonumber(string.match(entry, '^%d+'))), 1
end
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[4], string.format('%.0f', at), ARGV[5])
return fresh
