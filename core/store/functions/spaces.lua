-- The only writer of spaces. Each function is atomic: permission, version, history, references, index, log, wake-up.
-- One library in several files, loaded as one text: references, spaces, passages, claims, sharing, errands, reads, moving.
-- KEYS[1] is the space's own hash; every other key of the space follows from it and lies in the same slot (core/store/keys.py).
-- A mutation's first arguments are always: who, origin, epoch, operation, now (ms), root, depth, comment. It answers
-- the version, the change's number (0: this operation was done before), the atom where the caller cannot know it, and
-- whether it left an errand.

local READ, APPEND, WRITE, GRANT = 1, 2, 3, 4
local FIELDS = {'ver', 'c', 'm', 'f', 'by', 'o', 'ct', 't', 'sp', 'l'}
local NUMBERS, REMEMBER, LONGEST = 16, '86400', 1048576
local LARGEST_METADATA, ATTACHED = 65536, 'attachments'
local MOST_METADATA, MOST_REFERENCES = 260, 1000  -- four entries are the store's own: of a claim, and of files
local TRUST = {owner = 3, agent = 2, outside = 1}

-- The space's other keys, each spelled when it is first asked for.
local KINDS = {
  grants = 'g', log = 'x', subscribers = 's', unembedded = 'v', claims = 'l', errands = 'j', abroad = 'y',
  descriptions = 'd', order = 'q', contexts = 'k',
}
local Keys = {}
function Keys.atom(k, id) return k.namespace .. ':a:' .. k.tag .. ':' .. id end
function Keys.history(k, id) return k.namespace .. ':h:' .. k.tag .. ':' .. id end
function Keys.referrers(k, id) return k.namespace .. ':r:' .. k.tag .. ':' .. id end
function Keys.projection(k, reference) return k.namespace .. ':p:' .. k.tag .. ':' .. reference end
function Keys.watchers(k, id) return k.namespace .. ':w:' .. k.tag .. ':' .. id end
function Keys.operation(k, id) return k.namespace .. ':o:' .. k.tag .. ':' .. id end
Keys.__index = function(k, name)
  local kind = KINDS[name]
  if not kind then return Keys[name] end
  k[name] = k.namespace .. ':' .. kind .. ':' .. k.tag
  return k[name]
end

local function keys(KEYS, now)
  local brace = string.find(KEYS[1], '{', 1, true)
  return setmetatable({
    space = KEYS[1], namespace = string.sub(KEYS[1], 1, brace - 4), tag = string.sub(KEYS[1], brace),
    name = string.sub(KEYS[1], brace + 1, -2), now = tonumber(now),
  }, Keys)
end

-- Trust ------------------------------------------------------------------------------------------------------------

-- Whether `who` holds `needed`: whether a chain of grants of at least that much, none of them over, leads from `who` up
-- to the owner. A grant that is to be passed on only counts above its holder, and for the holder where it passes on. One
-- whose id begins with 'once:' counts only for who shows it as a ticket, 'who' .. US .. 'once:...'.
local function reaches(k, who, needed, passing, seen)
  local name, ticket = string.match(who, '^(.-)\31(.*)$')
  who = name or who
  if who == 'owner' then return redis.call('HEXISTS', k.space, 'creator') == 1 end
  local raw = redis.call('HGET', k.grants, who)
  if not raw then return false end
  seen[who] = true
  for _, grant in ipairs(cmsgpack.unpack(raw)) do
    local giver, over = grant[1], grant[3]
    local id = grant[5] or ''
    local usable = id == ticket or string.sub(id, 1, 5) ~= 'once:'
    if usable and grant[2] >= needed and (over == 0 or over > k.now) and (passing or grant[4] ~= 1) then
      if giver == '' or (not seen[giver] and reaches(k, giver, needed, true, seen)) then return true end
    end
  end
  return false
end

local function level(k, who, passing)
  for held = GRANT, READ, -1 do
    if reaches(k, who, held, passing, {}) then return held end
  end
  return 0
end

local function refusal(k, who, needed, passing)
  if reaches(k, who, needed, passing, {}) then return nil end
  local held = level(k, who, passing)
  if held == 0 then return redis.error_reply('NOSPACE ' .. k.name) end
  return redis.error_reply('DENIED ' .. held .. ' ' .. needed)
end

local function fenced(k, who, epoch)
  if epoch == '' then return nil end
  local newest = tonumber(redis.call('HGET', k.space, 'e:' .. who) or '0')
  if tonumber(epoch) < newest then return redis.error_reply('FENCED ' .. who) end
  if tonumber(epoch) > newest then redis.call('HSET', k.space, 'e:' .. who, epoch) end
end

-- The origin is told as 'origin' or 'origin:label', the label being the lowest that an agent's session has read.
local function call(A)
  local origin, label = string.match(A[2], '^(%a+):?(%a*)$')
  return {who = string.match(A[1], '^[^\31]*'), by = A[1], origin = origin, outside = origin == 'outside' or label == 'outside', epoch = A[3],
          operation = A[4], now = A[5], root = A[6], depth = A[7], comment = A[8]}
end

-- The change log ---------------------------------------------------------------------------------------------------

-- The subscribers that want a turn at once for a change of `id` by `who`, and those whose filter it passes; the latter is
-- nil where nobody has a filter. A subscription is 'now', 'never', or a packed {'now', 'never' or milliseconds, filter},
-- the filter being lists of tokens of each of which the atom has one.
local function interested(k, id, who)
  local woken, passed, held = {}, nil, nil
  local all = redis.call('HGETALL', k.subscribers)
  for i = 1, #all, 2 do
    local one = all[i + 1]
    if all[i] == who or one == 'never' then one = nil
    elseif one == 'now' then woken[#woken + 1] = all[i]
    else
      local wish, fits = cmsgpack.unpack(one), true
      if #wish[2] > 0 and not held then
        passed, held = passed or {}, {}
        for word in string.gmatch(redis.call('HGET', k:atom(id), 'kv') or '', '[^' .. US .. ']+') do held[word] = true end
      end
      for _, any in ipairs(wish[2]) do
        local found = false
        for _, word in ipairs(any) do found = found or held[word] end
        fits = fits and found
      end
      if fits and #wish[2] > 0 then passed[#passed + 1] = all[i] end
      if fits and wish[1] == 'now' then woken[#woken + 1] = all[i] end
    end
  end
  return woken, passed
end

-- Log one change of a space or of its atom `id`, and publish it with those it wakes; `seq` is its number, if it has one. An atom stays marked once it was
-- changed by someone from outside, or who has read what is from there.
local function announce(k, c, operation, id, version, seq)
  if c.outside and id ~= '' then redis.call('HSETNX', k:atom(id), 'l', 'outside') end
  seq = seq or redis.call('HINCRBY', k.space, 'seq', 1)
  local root = c.root ~= '' and c.root or (k.name .. '/' .. seq)
  local entry = {'op', operation, 'id', id, 'ver', version, 'by', c.who, 'o', c.origin, 'c', c.comment, 't', c.now,
                 'r', root, 'd', c.depth, 'l', c.outside and 'outside' or ''}
  local woken, passed = {}, nil
  if id ~= '' then woken, passed = interested(k, id, c.who) end
  if passed then entry[#entry + 1] = 'w'; entry[#entry + 1] = cmsgpack.pack(passed) end
  redis.call('XADD', k.log, seq .. '-0', unpack(entry))
  redis.call('PUBLISH', k.log, cmsgpack.pack({woken, seq, entry}))
  return seq
end

local function remembered(k, c, id)
  local answer = redis.call('GET', k:operation(c.operation))
  if answer then return {tonumber(answer), 0, redis.call('HMGET', k:atom(id), unpack(FIELDS))} end
end

local function remember(k, c, version)
  redis.call('SET', k:operation(c.operation), version, 'EX', REMEMBER)
end

-- Index fields -----------------------------------------------------------------------------------------------------

-- An order of all atoms that does not change, from when they were put (ms) and a number that counts on. No two of a space
-- have the same, of two spaces hardly any.
local function born(created, number) return string.format('%.0f', tonumber(created) * 2048 + number % 2048) end

-- Which of the declared number fields holds this key in this space; nil when all are taken.
local function number_field(k, key)
  local field = redis.call('HGET', k.space, 'n:' .. key)
  if field then return field end
  local taken = tonumber(redis.call('HGET', k.space, 'numbers') or '0')
  if taken >= NUMBERS then return nil end
  redis.call('HSET', k.space, 'numbers', taken + 1, 'n:' .. key, 'n' .. taken)
  return 'n' .. taken
end

-- Whether a value of metadata can have a number field: a number or a time.
local function numeric(json)
  local first = json and string.byte(json)
  return first and (first == 45 or first == 123 or (first >= 48 and first <= 57))
end

-- Apply a patch [[key, json or false, [tokens], number or false], ...] to metadata and its index fields.
local function patched(k, stored, tokens, patch, fields, dropped)
  local metadata = stored ~= '' and cmsgpack.unpack(stored) or {}
  local touched, kept = {}, {}
  for _, entry in ipairs(patch) do touched[entry[1]] = true end
  for _, word in ipairs(words(tokens)) do
    if not touched[string.match(word, '^(.-)=')] then kept[#kept + 1] = word end
  end
  for _, entry in ipairs(patch) do
    local key, json, was = entry[1], entry[2], metadata[entry[1]]
    metadata[key] = json or nil
    for _, word in ipairs(entry[3]) do kept[#kept + 1] = word end
    if entry[4] then
      local field = number_field(k, key)
      if field then fields[#fields + 1] = field; fields[#fields + 1] = entry[4] end
    elseif numeric(was) then
      local field = redis.call('HGET', k.space, 'n:' .. key)
      if field then dropped[#dropped + 1] = field end
    end
  end
  return next(metadata) and cmsgpack.pack(metadata) or '', table.concat(kept, US)
end

-- Whether vectors in this field are of an embedder that no process should use any more: `vf` of a space is the oldest field
-- in use. Later embedders have higher fields, the first one `v`.
local function retired(k, field)
  local oldest = redis.call('HGET', k.space, 'vf')
  return oldest and (tonumber(string.sub(field, 2)) or 0) < (tonumber(string.sub(oldest, 2)) or 0)
end

-- Context ----------------------------------------------------------------------------------------------------------

local WHOLE, DAY = 1000, 86400000  -- longer texts are understood by themselves; what a day lies between does not belong together

-- Whether what follows a text is understood by it: it asks something, or is a heading.
local function leads(text)
  return string.find(text, '?', 1, true) or string.find(text, '\239\188\159', 1, true) or string.find(text, '\216\159', 1, true)
    or string.match(text, '^#+ [^\n]*$')
end

-- The atom before one that was born then, if it leads to it.
local function leading(k, born)
  local before = redis.call('ZREVRANGEBYSCORE', k.order, '(' .. born, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not before[1] or tonumber(born) - tonumber(before[2]) > DAY * 2048 then return nil end
  local stored = redis.call('HMGET', k:atom(before[1]), 'c', 'sp')
  if stored[2] == k.name and #stored[1] <= WHOLE and leads(stored[1]) then return stored[1] end
end

function Keys.await_context(k, id, born, refers)
  if refers or leading(k, born) then redis.call('SADD', k.contexts, id) end
end

-- Versions ---------------------------------------------------------------------------------------------------------

local STORED = {'ver', 'kv', 'm', 'f', 'o', 'cl', 'sp', 'pn'}

-- What the next version starts from, by field; nil where there is no such atom.
local function stored_atom(k, id)
  local values, found = redis.call('HMGET', k:atom(id), unpack(STORED)), {}
  if not values[1] then return nil end
  for n, name in ipairs(STORED) do found[name] = values[n] or '' end
  return found
end

-- Refuses what would be too much for the space: so many bytes of text, and of files what A says at `at`; the most it may
-- hold of each follows there.
local function no_room(k, A, at, text)
  local used = redis.call('HMGET', k.space, 'bytes', 'files')
  local held, files = tonumber(used[1] or '0'), tonumber(used[2] or '0')
  if text > 0 and held + text > tonumber(A[at + 1]) then
    return redis.error_reply('FULL text ' .. k.name .. ' ' .. held .. ' ' .. A[at + 1])
  end
  local new = tonumber(A[at])
  if new > 0 and files + new > tonumber(A[at + 2]) then
    return redis.error_reply('FULL files ' .. k.name .. ' ' .. files .. ' ' .. A[at + 2])
  end
end

local function weigh(k, text, files)
  if text ~= 0 then redis.call('HINCRBY', k.space, 'bytes', text) end
  if files and files ~= '0' then redis.call('HINCRBY', k.space, 'files', files) end
end

-- Old contents beyond the newest `most` leave the history, their comments stay. Which versions brought a content is
-- kept with the atom; while there was no bound it was not, so it is found out then.
local function bounded(k, id, version, most, fields)
  local raw, held = redis.call('HGET', k:atom(id), 'hc'), {}
  if raw then
    held = cmsgpack.unpack(raw)
  else
    for n, entry in ipairs(redis.call('LRANGE', k:history(id), 0, -1)) do
      if type(cmsgpack.unpack(entry)[6]) == 'string' then held[#held + 1] = n end
    end
  end
  held[#held + 1] = version
  while #held > most do
    local oldest = table.remove(held, 1)
    local entry = cmsgpack.unpack(redis.call('LINDEX', k:history(id), oldest - 1))
    weigh(k, -#entry[6])
    entry[6] = true
    redis.call('LSET', k:history(id), oldest - 1, cmsgpack.pack(entry))
  end
  fields[#fields + 1] = 'hc'; fields[#fields + 1] = cmsgpack.pack(held)
end

-- Write the next version of an atom. `was` is what is stored, `d` what changes: content (with origin and vector), patch,
-- references (all that it has then, their state, and packed what was given of them), deprecated (true or false), fields and
-- dropped (of the hash, beside the metadata's), most (old contents).
local function revise(k, c, id, was, operation, d)
  local version, size = tonumber(was.ver) + 1, 0
  local fields, dropped, rippling = d.fields or {}, d.dropped or {}, false
  fields[#fields + 1] = 'ver'; fields[#fields + 1] = version
  fields[#fields + 1] = 't'; fields[#fields + 1] = c.now
  if d.content then
    size = #d.content - redis.call('HSTRLEN', k:atom(id), 'c')
    fields[#fields + 1] = 'o'; fields[#fields + 1] = d.origin
    fields[#fields + 1] = 'c'; fields[#fields + 1] = d.content
    if d.words and d.words ~= '' then fields[#fields + 1] = 'w'; fields[#fields + 1] = d.words else dropped[#dropped + 1] = 'w' end
    if d.vector ~= '' and not retired(k, 'v') then fields[#fields + 1] = 'v'; fields[#fields + 1] = d.vector
    else redis.call('SADD', k.unembedded, id) end
    if d.vector ~= '' then k:await_context(id, redis.call('HGET', k:atom(id), 'b'), was.f ~= '') end
    if d.most > 0 then bounded(k, id, version, d.most, fields) end
  end
  if d.patch then
    local metadata, tokens = patched(k, was.m, was.kv, d.patch, fields, dropped)
    fields[#fields + 1] = 'm'; fields[#fields + 1] = metadata
    fields[#fields + 1] = 'kv'; fields[#fields + 1] = tokens
    rippling, size = tokens ~= was.kv, size + #metadata - #was.m
  end
  if d.references then
    relink(k, id, was.f ~= '' and cmsgpack.unpack(was.f) or {}, d.references)
    for _, field in ipairs(d.state) do fields[#fields + 1] = field end
    fields[#fields + 1] = 'f'; fields[#fields + 1] = next(d.references) and cmsgpack.pack(d.references) or ''
  end
  if d.deprecated ~= nil then fields[#fields + 1] = 'sp'; fields[#fields + 1] = k.name .. (d.deprecated and '~' or '') end
  if #dropped > 0 then redis.call('HDEL', k:atom(id), unpack(dropped)) end
  redis.call('HSET', k:atom(id), unpack(fields))
  if was.pn ~= '' and d.content then
    k:drop_passages(id)
    redis.call('SADD', k.unembedded, id)
  elseif was.pn ~= '' then
    k:refresh_passages(id)
  end
  local entry = cmsgpack.pack({
    version, c.now, c.who, operation, c.comment, d.content or false, d.patch and cmsgpack.pack(d.patch) or '',
    d.packed or '', d.content and d.origin or ''})
  redis.call('RPUSH', k:history(id), entry)
  weigh(k, size + #entry)
  if c.operation ~= '' then remember(k, c, version) end
  if rippling then changed(k, id) end
  return version, announce(k, c, operation, id, version)
end

-- A claim is over when its atom's status or owner is set: its lease goes with it. So it is when the atom is deprecated,
-- where these two are again what they were before, lest it comes back as a task that is somebody's for ever.
local function end_claim(k, id, was, d)
  if was.cl == '' then return end
  local ends, timed = false, false
  if d.deprecated then d.patch = cmsgpack.unpack(was.cl)[4] end
  for _, entry in ipairs(d.patch or {}) do
    ends = ends or entry[1] == 'status' or entry[1] == 'owner'
    timed = timed or entry[1] == 'lease'
  end
  if not ends then return end
  redis.call('ZREM', k.claims, id)
  d.dropped = {'cl'}
  if not timed then
    d.patch = d.patch or {}
    d.patch[#d.patch + 1] = {'lease', false, {}, false}
  end
end

-- How many bytes an atom's metadata has, as its keys and their values are kept, and its largest entry. Which files the
-- atom carries is not counted: how many these are is bounded by itself.
local function bytes_of(metadata)
  local total, size, largest = 0, 0, ''
  for key, json in pairs(metadata) do
    local taken = key ~= ATTACHED and #key + #json or 0
    total = total + taken
    if taken > size or (taken == size and key < largest) then size, largest = taken, key end
  end
  return total, size, largest
end

-- Refuses what would be too much for one atom, however it came together; each call by itself is bounded before. A claim
-- may add its own entries to an atom that is full, which may then have less and less.
local function too_much(was, d)
  local before = was.m ~= '' and cmsgpack.unpack(was.m) or {}
  local after, links, count = {}, was.f ~= '' and cmsgpack.unpack(was.f) or {}, 0
  for key, json in pairs(before) do after[key] = json end
  for _, entry in ipairs(d.patch or {}) do after[entry[1]] = entry[2] or nil end
  for _ in pairs(after) do count = count + 1 end
  if count > MOST_METADATA then return redis.error_reply('TOOMUCH ' .. count .. ' metadata entries') end
  local total, size, largest = bytes_of(after)
  if total > LARGEST_METADATA and total > bytes_of(before) then
    return redis.error_reply('TOOBIG ' .. total .. ' ' .. size .. ' ' .. largest)
  end
  count = 0
  for _, ids in pairs(d.references or links) do count = count + #ids end
  if count > MOST_REFERENCES then return redis.error_reply('TOOMUCH ' .. count .. ' references') end
end

-- Whether what an atom refers to has grown beyond what it takes over: it may be changed then as it likes.
local function too_heavy(k, was)
  if was.f == '' then return false end
  local _, heavy = reference_state(k, cmsgpack.unpack(was.f))
  return heavy
end

local function heavy_targets(most)
  local what = 'TOOMUCH over %d bytes of metadata in the atoms of its space that it refers to'
  return redis.error_reply(string.format(what, most))
end

-- All references of an atom, once those that are given have taken the place of what they were; of an empty name none.
local function joined(was, given)
  local all = was.f ~= '' and cmsgpack.unpack(was.f) or {}
  for name, ids in pairs(given) do all[name] = #ids > 0 and ids or nil end
  return all
end

-- Mutations --------------------------------------------------------------------------------------------------------

-- who origin epoch operation now root depth comment | id content vector metadata references words, then room: bytes of new files, most text, most files
redis.register_function('stoa_put', function(KEYS, A)
  local k, c = keys(KEYS, A[5]), call(A)
  local id, content, vector = A[9], A[10], A[11]
  local refused = refusal(k, c.by, APPEND) or fenced(k, c.who, c.epoch)
  if refused then return refused end
  local stored = redis.call('HGET', k:atom(id), 'op')
  if stored then
    if stored == c.operation then return {1, 0, redis.call('HMGET', k:atom(id), unpack(FIELDS))} end
    return redis.error_reply('EXISTS ' .. id)
  end
  local references, state, heavy = A[13] ~= '' and cmsgpack.unpack(A[13]) or {}, {}, false
  if A[13] ~= '' then state, heavy = reference_state(k, references) end
  if heavy then return heavy_targets(heavy) end
  local text = 2 * (#content + #A[12] + #A[13]) + #c.comment  -- once in the atom, once in its history
  local full = no_room(k, A, 15, text)
  if full then return full end
  local seq = redis.call('HINCRBY', k.space, 'seq', 1)
  local fields = {'sp', k.name, 'c', content, 'ver', '1', 'by', c.who, 'o', c.origin, 'ct', c.now, 't', c.now,
                  'b', born(c.now, seq), 'op', c.operation, 'f', A[13]}
  local metadata, tokens = '', ''
  if A[12] ~= '' then metadata, tokens = patched(k, '', '', cmsgpack.unpack(A[12]), fields, {}) end
  fields[#fields + 1] = 'm'; fields[#fields + 1] = metadata
  fields[#fields + 1] = 'kv'; fields[#fields + 1] = tokens
  if A[13] ~= '' then
    for _, field in ipairs(state) do fields[#fields + 1] = field end
    relink(k, id, {}, references)
  end
  if vector ~= '' and not retired(k, 'v') then fields[#fields + 1] = 'v'; fields[#fields + 1] = vector
  else redis.call('SADD', k.unembedded, id) end
  if A[14] ~= '' then fields[#fields + 1] = 'w'; fields[#fields + 1] = A[14] end
  redis.call('HSET', k:atom(id), unpack(fields))
  if vector ~= '' and #content <= WHOLE then k:await_context(id, born(c.now, seq), A[13] ~= '') end
  redis.call('ZADD', k.order, born(c.now, seq), id)
  redis.call('RPUSH', k:history(id),
             cmsgpack.pack({1, c.now, c.who, 'put', c.comment, content, A[12], A[13], c.origin}))
  changed(k, id)
  weigh(k, text, A[15])
  return {1, announce(k, c, 'put', id, 1, seq), false, k.errand}
end)

-- who ... comment | id expected flags content old vector metadata references most origin words, then room. Flags: c content given, r replace
-- old by content, f references given, d deprecated, u restored, a other files. `most` bounds the contents kept (0: all); `origin` is how
-- far the content is trusted at most ('': as far as who writes).
redis.register_function('stoa_update', function(KEYS, A)
  local k, c = keys(KEYS, A[5]), call(A)
  local id, expected, flags, content, old = A[9], A[10], A[11], A[12], A[13]
  local refused = refusal(k, c.by, WRITE) or fenced(k, c.who, c.epoch)
  if refused then return refused end
  local done = remembered(k, c, id)
  if done then return done end
  local was = stored_atom(k, id)
  if not was then return redis.error_reply('NOATOM ' .. id) end
  if expected ~= '' and expected ~= was.ver then return redis.error_reply('CONFLICT ' .. was.ver) end
  local d = {origin = c.origin, vector = A[14], most = tonumber(A[17]), words = A[19]}
  if string.find(flags, 'r', 1, true) then
    local before = redis.call('HGET', k:atom(id), 'c')
    local from, to = string.find(before, old, 1, true)
    if not from then return redis.error_reply('NOMATCH 0') end
    if string.find(before, old, from + 1, true) then return redis.error_reply('NOMATCH 2') end
    d.content = string.sub(before, 1, from - 1) .. content .. string.sub(before, to + 1)
    if #d.content > LONGEST then return redis.error_reply('TOOLONG ' .. #d.content) end
    -- Content is of who wrote it; pieced together it is trusted no more than the least of its writers.
    if TRUST[was.o] < TRUST[c.origin] then d.origin = was.o end
  elseif string.find(flags, 'c', 1, true) then
    d.content = content
  end
  if A[18] ~= '' and TRUST[A[18]] < TRUST[c.origin] then d.origin = A[18] end
  if A[15] ~= '' then d.patch = cmsgpack.unpack(A[15]) end
  if string.find(flags, 'f', 1, true) then d.references, d.packed = joined(was, cmsgpack.unpack(A[16])), A[16] end
  if #was.m + #was.f + #A[15] + #A[16] > 4 * MOST_METADATA then  -- an entry or a reference takes four bytes at least
    local much = too_much(was, d)
    if much then return much end
  end
  if d.references then
    local heavy
    d.state, heavy = reference_state(k, d.references)
    if heavy and not too_heavy(k, was) then return heavy_targets(heavy) end
  end
  local text = (d.content and #d.content or 0) + #A[15] + #A[16]
  local full = no_room(k, A, 20, 2 * text)
  if full then return full end
  weigh(k, 0, A[20])
  if string.find(flags, 'a', 1, true) then redis.call('SADD', k.unembedded, id) end
  if string.find(flags, 'd', 1, true) then d.deprecated = true end
  if string.find(flags, 'u', 1, true) then d.deprecated = false end
  end_claim(k, id, was, d)
  local operation = d.deprecated == nil and 'update' or d.deprecated and 'deprecate' or 'restore'
  local version, seq = revise(k, c, id, was, operation, d)
  return {version, seq, redis.call('HMGET', k:atom(id), unpack(FIELDS)), k.errand}
end)
