-- Passages: pieces of an atom's long text and of its files, each a hash of its own in the index, beside the atom's.
-- A passage carries the fields that filters ask, as the atom has them; its space tag ends in '#', so that whoever lists
-- atoms does not see it. The atom's field pn counts its passages.

local ROOM = 67108864  -- bytes that what all passages of an atom carry may take
local CARRIED = {'kv', 'rt', 'rs', 'ra', 'rp', 'fs', 't', 'b'}
for n = 0, NUMBERS - 1 do CARRIED[#CARRIED + 1] = 'n' .. n end

local function passage(k, id, n) return k:atom(id .. '#' .. n) end

-- The fields that an atom's passages have to have, those that they may not, and how many passages there is room for: what
-- they carry is large where the atom refers to many that have much metadata.
local function carried(k, id)
  local values = redis.call('HMGET', k:atom(id), 'sp', unpack(CARRIED))
  local fields, dropped, bytes = {'sp', (values[1] or k.name) .. '#'}, {}, 1
  for n, name in ipairs(CARRIED) do
    if values[n + 1] then
      fields[#fields + 1] = name; fields[#fields + 1] = values[n + 1]
      bytes = bytes + #values[n + 1]
    else dropped[#dropped + 1] = name end
  end
  return fields, dropped, math.floor(ROOM / bytes)
end

-- The atom's fields have changed: its passages follow. Where there is no room for so many any more, they are made anew.
function Keys.refresh_passages(k, id)
  local count = tonumber(redis.call('HGET', k:atom(id), 'pn') or '0')
  if count == 0 then return end
  local fields, dropped, most = carried(k, id)
  if count > most then
    k:drop_passages(id)
    redis.call('SADD', k.unembedded, id)
    return
  end
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

-- id version vector passages [[text, vector, start, end, file, words], ...] field words: what was missing to find an atom, the
-- vectors in this field and the words that the engine does not find by itself; nothing if it has changed meanwhile.
redis.register_function('stoa_embed', function(KEYS, A)
  local k, id, field, words = keys(KEYS), A[1], A[5], A[6]
  local version = redis.call('HGET', k:atom(id), 'ver')
  if not version then return redis.call('SREM', k.unembedded, id) end
  if retired(k, field) then return redis.error_reply('RETIRED ' .. field) end
  if version ~= A[2] then return 0 end
  k:drop_passages(id)
  redis.call('SREM', k.contexts, id)
  redis.call('HSET', k:atom(id), field, A[3], 'w', words)
  if words == '' then redis.call('HDEL', k:atom(id), 'w') end
  if A[4] ~= '' then
    local fields, _, most = carried(k, id)
    local found = cmsgpack.unpack(A[4])
    most = math.min(most, #found)
    for n = 1, most do
      local one = found[n]
      redis.call('HSET', passage(k, id, n), 'c', one[1], field, one[2], 'ps', one[3], 'pe', one[4], 'pf', one[5],
                 'w', one[6], unpack(fields))
    end
    redis.call('HSET', k:atom(id), 'pn', most)
  end
  return redis.call('SREM', k.unembedded, id)
end)

-- id: the text that an atom is understood by, and how: 'asked' by an atom before it or that it refers to, or 'told' by one that
-- it refers to; nothing if it has none. Only atoms of this space count that were put before.
redis.register_function{function_name = 'stoa_context', flags = {'no-writes'}, callback = function(KEYS, A)
  local k = keys(KEYS)
  local stored = redis.call('HMGET', k:atom(A[1]), 'b', 'f')
  if not stored[1] then return {} end
  local told
  for _, ids in pairs(stored[2] and stored[2] ~= '' and cmsgpack.unpack(stored[2]) or {}) do
    local target = redis.call('HMGET', k:atom(ids[1]), 'b', 'c', 'sp')
    if target[1] and tonumber(target[1]) < tonumber(stored[1]) and target[3] == k.name and #target[2] <= WHOLE then
      if leads(target[2]) then return {target[2], 'asked'} end
      told = told or target[2]
    end
  end
  local before = leading(k, stored[1])
  if before then return {before, 'asked'} end
  return told and {told, 'told'} or {}
end}

-- id version words: the words of an atom that was changed by a piece; nothing if it has changed meanwhile.
redis.register_function('stoa_words', function(KEYS, A)
  local k = keys(KEYS)
  if redis.call('HGET', k:atom(A[1]), 'ver') ~= A[2] then return 0 end
  return redis.call('HSET', k:atom(A[1]), 'w', A[3])
end)

-- id version field [vector, ...]: vectors of another embedder, of the atom and of each of its passages; nothing if it has
-- changed meanwhile.
redis.register_function('stoa_reembed', function(KEYS, A)
  local k, id, field, vectors = keys(KEYS), A[1], A[3], cmsgpack.unpack(A[4])
  local stored = redis.call('HMGET', k:atom(id), 'ver', 'pn')
  if stored[1] ~= A[2] or tonumber(stored[2] or '0') ~= #vectors - 1 then return 0 end
  redis.call('HSET', k:atom(id), field, vectors[1])
  redis.call('SREM', k.contexts, id)
  for n = 2, #vectors do redis.call('HSET', passage(k, id, n - 1), field, vectors[n]) end
  return 1
end)

-- id old new since: the vectors of an embedder that is not used any more go; what has none of the new one waits for it, and
-- what was changed since, perhaps by a process that did not know.
redis.register_function('stoa_forget_vectors', function(KEYS, A)
  local k, id = keys(KEYS), A[1]
  local changed = redis.call('HGET', k:atom(id), 't')
  if not changed then return 0 end
  local missing = tonumber(changed) >= tonumber(A[4]) or redis.call('HEXISTS', k:atom(id), A[3]) == 0
  redis.call('HDEL', k:atom(id), A[2])
  for n = 1, tonumber(redis.call('HGET', k:atom(id), 'pn') or '0') do
    missing = missing or redis.call('HEXISTS', passage(k, id, n), A[3]) == 0
    redis.call('HDEL', passage(k, id, n), A[2])
  end
  if missing then redis.call('SADD', k.unembedded, id) end
  return 1
end)
