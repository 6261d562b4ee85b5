-- Reads: each is told who asks and what time it is, and refuses who may not read.

local function reader(name, read)
  redis.register_function{function_name = name, flags = {'no-writes'}, callback = function(KEYS, A)
    local k = keys(KEYS, A[2])
    return refusal(k, A[1], READ) or read(k, A)
  end}
end

reader('stoa_get', function(k, A) return redis.call('HMGET', k:atom(A[3]), unpack(FIELDS)) end)
reader('stoa_history', function(k, A) return redis.call('LRANGE', k:history(A[3]), A[4], A[5]) end)
-- who now reference name after count: so many of those that refer to it from this space; and the other spaces that have
-- atoms which do.
reader('stoa_referrers', function(k, A)
  return {referring(k, A[3], A[4], A[5], A[6]), redis.call('HKEYS', k:watchers(A[3]))}
end)
reader('stoa_changes', function(k, A)
  return redis.call('XRANGE', k.log, '(' .. A[3] .. '-0', '+', 'COUNT', A[4])
end)

-- who now after count: the changes, and whether the right to read them lasts until a change says otherwise.
reader('stoa_follow', function(k, A)
  k.now = math.huge
  return {reaches(k, A[1], READ, false, {}) and 1 or 0, redis.call('XRANGE', k.log, '(' .. A[3] .. '-0', '+', 'COUNT', A[4])}
end)

-- who now count id ...: for each atom those that were put just before and after it, so many of each that are in use: lists of
-- id and fields, in their order.
reader('stoa_around', function(k, A)
  local count, found = tonumber(A[3]), {}
  local function take(near, command, from)
    local ids = redis.call(command, k.order, from, command == 'ZRANGEBYSCORE' and '+inf' or '-inf', 'LIMIT', 0, 4 * count)
    for _, id in ipairs(ids) do
      local fields = redis.call('HMGET', k:atom(id), unpack(FIELDS))
      if #near < count and fields[9] == k.name then near[#near + 1] = {id, fields} end
    end
    return near
  end
  for n = 4, #A do
    local born = redis.call('ZSCORE', k.order, A[n])
    local from = '(' .. (born and string.format('%.0f', tonumber(born)) or 0)
    found[#found + 1] = born and {take({}, 'ZREVRANGEBYSCORE', from), take({}, 'ZRANGEBYSCORE', from)} or {{}, {}}
  end
  return found
end)

local function fields_of(entry)
  local found = {}
  for i = 1, #entry[2], 2 do found[entry[2][i]] = entry[2][i + 1] end
  return found
end

-- Whether a change is for a subscriber: not its own, of an atom, and passing its filter.
local function concerns(change, who, filtered)
  if change.id == '' or change.by == who then return false end
  if not filtered or not change.w then return true end
  for _, name in ipairs(cmsgpack.unpack(change.w)) do
    if name == who then return true end
  end
  return false
end

local function wish_of(k, who)
  local one = redis.call('HGET', k.subscribers, who)
  if not one or one == 'now' or one == 'never' then return one, false end
  local wish = cmsgpack.unpack(one)
  return wish[1], #wish[2] > 0
end

-- who now after count: of so many changes those that are for this subscriber, and the number of the last one looked at.
reader('stoa_news', function(k, A)
  local wake, filtered = wish_of(k, A[1])
  local found, last = {}, tonumber(A[3])
  for _, entry in ipairs(redis.call('XRANGE', k.log, '(' .. A[3] .. '-0', '+', 'COUNT', A[4])) do
    last = tonumber(string.match(entry[1], '^%d+'))
    if wake and concerns(fields_of(entry), A[1], filtered) then found[#found + 1] = entry end
  end
  return {last, found}
end)

-- who now after: whether this subscriber is to have a turn now for what lies after, and up to where nothing is for it.
reader('stoa_due', function(k, A)
  local wake, filtered = wish_of(k, A[1])
  local last = tonumber(A[3])
  if not wake or wake == 'never' then return {0, last} end
  for _, entry in ipairs(redis.call('XRANGE', k.log, '(' .. A[3] .. '-0', '+', 'COUNT', 200)) do
    local change = fields_of(entry)
    if concerns(change, A[1], filtered) then
      return {(wake == 'now' or tonumber(change.t) + wake <= k.now) and 1 or 0, last}
    end
    last = tonumber(string.match(entry[1], '^%d+'))
  end
  return {0, last}
end)

reader('stoa_description', function(k) return redis.call('HGET', k.space, 'description') end)
-- The description as a convention; nothing where someone wrote it who is from outside, or has read what is from there.
reader('stoa_convention', function(k)
  local found = redis.call('HMGET', k.space, 'description', 'outside')
  return found[2] == '1' and '' or found[1]
end)
-- who now number: the description as a convention and its number: that of this number if it is kept still, or the present
-- one (''). Nothing of what outside text had a hand in.
reader('stoa_taught', function(k, A)
  local found = redis.call('HMGET', k.space, 'description', 'outside', 'described')
  local number, outside, text = tonumber(found[3]) or 1, found[2] == '1', found[1] or ''
  if A[3] ~= '' and tonumber(A[3]) ~= number then
    for _, packed in ipairs(redis.call('LRANGE', k.descriptions, 0, -1)) do
      local one = cmsgpack.unpack(packed)
      if one[1] == tonumber(A[3]) then number, outside, text = one[1], one[4] == 1, one[5] end
    end
  end
  return {number, outside and '' or text}
end)
reader('stoa_descriptions', function(k) return redis.call('LRANGE', k.descriptions, 0, -1) end)
-- who now files text files: refuses files for which there is no room.
reader('stoa_room', function(k, A) return no_room(k, A, 3, 0) or 1 end)
reader('stoa_newest', function(k) return tonumber(redis.call('HGET', k.space, 'seq') or '0') end)

-- who now: the effective right, how many atoms wait for their vector, and how many claims have ended that are not given
-- back yet. Refuses nobody, since it tells nothing more.
redis.register_function{function_name = 'stoa_level', flags = {'no-writes'}, callback = function(KEYS, A)
  local k = keys(KEYS, A[2])
  return {level(k, A[1], false), redis.call('SCARD', k.unembedded), redis.call('ZCOUNT', k.claims, '-inf', A[2])}
end}

-- who now: the most that `who` may give to others, what it may only pass on included.
redis.register_function{function_name = 'stoa_passable', flags = {'no-writes'}, callback = function(KEYS, A)
  return level(keys(KEYS, A[2]), A[1], true)
end}

-- Names this run of the server, which an index has to be whole in; lives as long as the library in its memory.
local run

-- who now count key ... name ...: what a search has to know to be written: the right, how many atoms wait for their vector
-- and how many claims have ended, the space's own index, how many number fields are taken and which hold these keys, the most targets that an atom has
-- under these reference names, the other spaces that are referred to from here, and the server's run. Only 0 for who may
-- not read.
redis.register_function{function_name = 'stoa_view', flags = {'no-writes'}, callback = function(KEYS, A)
  local k, fields = keys(KEYS, A[2]), {'own', 'numbers'}
  if not reaches(k, A[1], READ, false, {}) then return {0} end
  local count = tonumber(A[3])
  for i = 4, #A do fields[#fields + 1] = (i <= count + 3 and 'n:' or 'q:') .. A[i] end
  local found = redis.call('HMGET', k.space, unpack(fields))
  run = run or table.concat(redis.call('TIME'), '.')
  local ended = redis.call('ZCOUNT', k.claims, '-inf', A[2])
  return {1, redis.call('SCARD', k.unembedded), ended, found, #A > count + 3 and redis.call('HKEYS', k.abroad) or {}, run}
end}
