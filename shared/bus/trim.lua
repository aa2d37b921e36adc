#!lua
-- Drop what is older than ARGV[1] (a stream id) and what no group needs any more; never an unread or pending entry.
-- KEYS: stream.  ARGV: oldest id that has to stay for replays.  Returns how many entries went.
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-?(%d*)$')
  return tonumber(ms), tonumber(seq) or 0
end
local function older(a, b)
  local ams, aseq = parts(a)
  local bms, bseq = parts(b)
  if ams ~= bms then return ams < bms end
  return aseq < bseq
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local floor = ARGV[1]
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
  local ms, seq = parts(info['last-delivered-id'])
  local needed = string.format('%.0f-%.0f', ms, seq + 1)
  if info['pending'] > 0 then
    needed = redis.call('XPENDING', KEYS[1], info['name'])[2]
  end
  if older(needed, floor) then floor = needed end
end
return redis.call('XTRIM', KEYS[1], 'MINID', floor)
