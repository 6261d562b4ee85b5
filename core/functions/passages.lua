-- Passages: pieces of an atom's long text and of its files, each a hash of its own in the index, beside the atom's.
-- A passage carries the fields that filters ask, as the atom has them; its space tag ends in '#', so that whoever lists
-- atoms does not see it. The atom's field pn counts its passages.

local CARRIED = {'kv', 'rt', 'rs', 'ra', 'rp', 'fs', 't', 'b'}
for n = 0, NUMBERS - 1 do CARRIED[#CARRIED + 1] = 'n' .. n end

local function passage(k, id, n) return k:atom(id .. '#' .. n) end

-- The fields that an atom's passages have to have, and those that they may not.
local function carried(k, id)
  local values = redis.call('HMGET', k:atom(id), 'sp', unpack(CARRIED))
  local fields, dropped = {'sp', (values[1] or k.name) .. '#'}, {}
  for n, name in ipairs(CARRIED) do
    if values[n + 1] then fields[#fields + 1] = name; fields[#fields + 1] = values[n + 1]
    else dropped[#dropped + 1] = name end
  end
  return fields, dropped
end

-- The atom's fields have changed: its passages follow.
function Keys.refresh_passages(k, id)
  local count = tonumber(redis.call('HGET', k:atom(id), 'pn') or '0')
  if count == 0 then return end
  local fields, dropped = carried(k, id)
  for n = 1, count do
    if #dropped > 0 then redis.call('HDEL', passage(k, id, n), unpack(dropped)) end
    redis.call('HSET', passage(k, id, n), unpack(fields))
  end
end

-- The atom's text has changed: its passages go.
function Keys.drop_passages(k, id)
  local count = tonumber(redis.call('HGET', k:atom(id), 'pn') or '0')
  for n = 1, count do redis.call('UNLINK', passage(k, id, n)) end
  if count > 0 then redis.call('HDEL', k:atom(id), 'pn') end
end

-- id version vector passages [[text, vector, start, end, file], ...]: what was missing to find an atom by meaning; nothing
-- if it has changed meanwhile.
redis.register_function('stoa_embed', function(KEYS, A)
  local k, id = keys(KEYS), A[1]
  local version = redis.call('HGET', k:atom(id), 'ver')
  if not version then return redis.call('SREM', k.unembedded, id) end
  if version ~= A[2] then return 0 end
  k:drop_passages(id)
  redis.call('HSET', k:atom(id), 'v', A[3])
  if A[4] ~= '' then
    local fields = carried(k, id)
    local found = cmsgpack.unpack(A[4])
    for n, one in ipairs(found) do
      redis.call('HSET', passage(k, id, n), 'c', one[1], 'v', one[2], 'ps', one[3], 'pe', one[4], 'pf', one[5],
                 unpack(fields))
    end
    redis.call('HSET', k:atom(id), 'pn', #found)
  end
  return redis.call('SREM', k.unembedded, id)
end)
