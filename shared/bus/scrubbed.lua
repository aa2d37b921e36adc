#!lua
-- Forget that somebody has to clean its files, unless another erasure ended meanwhile.
-- KEYS: scrubs.  ARGV: who cleaned, since when that was due.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
