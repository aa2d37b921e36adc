#!lua
-- A process of a group says that it lives and hears which shards are its own: as many for each process as can be.
-- Who is not heard for as long as it said is gone, and what it read is free.
-- KEYS: processes (sorted set, score: until when), holders (hash: shard -> process).
-- ARGV: process, how long it counts as alive (ms; 0: it goes), shards in all, then shards that it reads no more.
-- Returns how many it should have, and those it has.
local time = redis.call('TIME')
local now, me, shards = time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1], tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if tonumber(ARGV[2]) > 0 then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), me)
else
  redis.call('ZREM', KEYS[1], me)
end
for at = 4, #ARGV do
  if redis.call('HGET', KEYS[2], ARGV[at]) == me then redis.call('HDEL', KEYS[2], ARGV[at]) end
end
local alive, processes, share = {}, redis.call('ZRANGE', KEYS[1], 0, -1), 0
table.sort(processes)
for place, name in ipairs(processes) do
  alive[name] = true
  if name == me then
    share = math.floor(shards / #processes) + (place <= shards % #processes and 1 or 0)
  end
end
local mine, free = {}, {}
for shard = 0, shards - 1 do
  local holder = redis.call('HGET', KEYS[2], shard)
  if holder == me then
    mine[#mine + 1] = shard
  elseif not holder or not alive[holder] then
    free[#free + 1] = shard
  end
end
for _, shard in ipairs(free) do
  if #mine < share then
    redis.call('HSET', KEYS[2], shard, me)
    mine[#mine + 1] = shard
  end
end
return {share, unpack(mine)}
