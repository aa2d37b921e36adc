#!lua
-- One atomic step per batch: acknowledge, and for what was still ours append what is said, delay what is tried
-- again, keep what died. An entry that was reclaimed meanwhile, or a commit repeated after a lost answer, says nothing.
-- KEYS: input stream, then every key written.
-- ARGV: group, fuse, number of entries; per entry: id, number of writes; per write five values:
--   'x' key-index payload '' ''         append an event
--   'z' key-index payload due ''        delay an event until `due` (ms)
--   'd' key-index payload reason error  keep a dead letter
-- Returns how many entries were still ours.
local group, fuse, entries = ARGV[1], ARGV[2], tonumber(ARGV[3])
local at, settled = 4, 0
for _ = 1, entries do
  local id, writes = ARGV[at], tonumber(ARGV[at + 1])
  local ours = redis.call('XACK', KEYS[1], group, id) == 1
  if ours then settled = settled + 1 end
  at = at + 2
  for _ = 1, writes do
    if ours then
      local kind, key, payload = ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
      if kind == 'x' then
        redis.call('XADD', key, 'MAXLEN', '~', fuse, '*', '__data__', payload)
      elseif kind == 'z' then
        redis.call('ZADD', key, ARGV[at + 3], payload)
      else
        redis.call('XADD', key, 'MAXLEN', '~', fuse, '*',
          '__data__', payload, 'reason', ARGV[at + 3], 'error', ARGV[at + 4], 'entry', id)
      end
    end
    at = at + 5
  end
end
return settled
