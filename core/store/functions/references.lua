#!lua name=stoa_spaces
-- References: how the state of their targets reaches the index, and is kept true on every change of a target.
--
-- A space keeps the tokens of each atom of another space that it refers to in a projection of its own, since a Function
-- may touch one slot only. What one space owes another is an errand: written down in the same Function as the change that
-- caused it, carried out at once by the caller, and by a worker where that did not happen. The index fields of an atom:
--   rt  name                 it has such references
--   fs  name|space           some of them lie in that other space
--   rs  name|key=value       all targets share this
--   ra  name|key=value       a target in this space has this; with |space behind it, one in that other space
--   rp  i|name, i|name@space, i|name|key=value    what the i-th different target is, where there are several or it lies
--                            in another space: so several things can be asked of one and the same target

local US = '\31'
local SLOTS, AT_ONCE = 64, 200
local LARGEST_STATE, AT_A_TIME = 524288, 1048576  -- bytes of targets' tokens for one atom, of states made anew in one go

local function words(text)
  local found = {}
  for word in string.gmatch(text or '', '[^' .. US .. ']+') do found[#found + 1] = word end
  return found
end

-- The id of an atom of this space; or nil and the other space, '' if no space can be called so.
local function target(k, reference)
  local space, id = string.match(reference, '^(.-)/(.+)$')
  if not space then return reference end
  if space == k.name then return id end
  return nil, #space <= 64 and string.match(space, '^[a-z0-9][a-z0-9_.-]*$') or ''
end

local function errand(k, ...)
  redis.call('HSET', k.errands, table.concat({...}, US), redis.call('HINCRBY', k.space, 'errand', 1))
  k.errand = 1
end

local function sorted(set)
  local found = {}
  for word in pairs(set) do found[#found + 1] = word end
  table.sort(found)
  return table.concat(found, US)
end

-- How many bytes of tokens each of the spaces that `references` lead to may bring into the state of one atom. It follows
-- from how many these are and from nothing in them, lest what one brings tells of another that nobody here may read.
local function room(k, references)
  local spaces, count = {}, 0
  for _, ids in pairs(references) do
    for _, reference in ipairs(ids) do
      local _, space = target(k, reference)
      if not spaces[space or ''] then spaces[space or ''] = true; count = count + 1 end
    end
  end
  return LARGEST_STATE / count
end

-- The different targets by reference name, each {space or '', tokens}; a missing one has no tokens, nor has any in the
-- spaces `over`. Answers these, too, and what there is room for: what is beyond is left out, and all is read again. How
-- many they are is told to whoever asks too much of them, so those of other spaces are counted by what they are called:
-- whether one exists, or two have the same, shall not show.
local function targets(k, references, over)
  local most, found, sizes, more = room(k, references), {}, {}, {}
  for name, ids in pairs(references) do
    local all, seen, counted = {count = 0}, {}, {}
    for _, reference in ipairs(ids) do
      local id, space = target(k, reference)
      space = space or ''
      local known = not (over[space] or more[space])
      local tokens = known and redis.call('HGET', id and k:atom(id) or k:projection(reference), 'kv') or ''
      local mark = space .. US .. tokens
      local one = space == '' and mark or reference
      if not counted[one] then counted[one] = true; all.count = all.count + 1 end
      if not seen[mark] then
        seen[mark] = true
        all[#all + 1] = {space, tokens}
        sizes[space] = (sizes[space] or 0) + #tokens
        if sizes[space] > most then more[space] = true end
      end
    end
    found[name] = all
  end
  if next(more) then return targets(k, references, more) end
  return found, over, most
end

-- The index fields of an atom with these references; and how much there is room for where its targets in this space have
-- more: they count as having nothing then, as those in any other space do.
local function reference_state(k, references)
  local names, spaces, shared, some, each = {}, {}, {}, {}, {}
  local found, over, most = targets(k, references, {})
  for name, all in pairs(found) do
    names[name] = true
    local abroad, count = false, {}
    for _, one in ipairs(all) do
      local behind, set = one[1] ~= '' and '|' .. one[1] or '', {}
      if one[1] ~= '' then abroad = true; spaces[name .. behind] = true end
      for _, word in ipairs(words(one[2])) do set[word] = true end
      one[2] = set
      for word in pairs(set) do
        count[word] = (count[word] or 0) + 1
        some[name .. '|' .. word .. behind] = true
      end
    end
    for word, times in pairs(count) do
      if times == #all then shared[name .. '|' .. word] = true end
    end
    if #all > 1 or abroad then
      local largest = tonumber(redis.call('HGET', k.space, 'q:' .. name) or '0')
      if all.count > largest then redis.call('HSET', k.space, 'q:' .. name, all.count) end
      for i = 1, #all <= SLOTS and #all or 0 do
        local slot = (i - 1) .. '|' .. name
        each[slot] = true
        if all[i][1] ~= '' then each[slot .. '@' .. all[i][1]] = true end
        for word in pairs(all[i][2]) do each[slot .. '|' .. word] = true end
      end
    end
  end
  local fields = {'rt', sorted(names), 'fs', sorted(spaces), 'rs', sorted(shared), 'ra', sorted(some), 'rp', sorted(each)}
  return fields, over[''] and most
end

-- `id` refers to `after` from now on, no more to `before`; `id` and `space/id` are the same target. What it newly refers
-- to in other spaces is to be fetched.
local function relink(k, id, before, after)
  local gone, come = {}, {}
  for name, ids in pairs(before) do
    for _, reference in ipairs(ids) do gone[name .. US .. (target(k, reference) or reference)] = {name, reference} end
  end
  for name, ids in pairs(after) do
    for _, reference in ipairs(ids) do
      local mark = name .. US .. (target(k, reference) or reference)
      if not gone[mark] then come[mark] = {name, reference} end
      gone[mark] = nil
    end
  end
  for _, link in pairs(come) do
    local inside, space = target(k, link[2])
    if space ~= '' then redis.call('ZADD', k:referrers(inside or link[2]), 0, link[1] .. US .. id) end
    if not inside and space ~= '' and redis.call('HSETNX', k:projection(link[2]), 'ver', 0) == 1 then
      redis.call('HINCRBY', k.abroad, space, 1)
      errand(k, '+', link[2])
    end
  end
  for _, link in pairs(gone) do
    local inside, space = target(k, link[2])
    redis.call('ZREM', k:referrers(inside or link[2]), link[1] .. US .. id)
    if not inside and space ~= '' and redis.call('EXISTS', k:referrers(link[2])) == 0 then
      redis.call('DEL', k:projection(link[2]))
      if redis.call('HINCRBY', k.abroad, space, -1) <= 0 then redis.call('HDEL', k.abroad, space) end
    end
  end
end

-- At most `count` of those that refer to an atom, as 'name US id' in that order, behind `after`; `name` bounds them to one kind.
local function referring(k, reference, name, after, count)
  local first, last = '-', '+'
  if name ~= '' then first, last = '[' .. name .. US, '(' .. name .. ' ' end  -- a space is what follows US
  if after ~= '' then first = '(' .. after end
  return redis.call('ZRANGEBYLEX', k:referrers(reference), first, last, 'LIMIT', 0, count)
end

-- Compute anew the reference state of the atoms that these members of a referrers' set name, as far as one call may take.
-- Answers how many of the members that were.
local function refresh(k, members)
  local seen, made = {}, 0
  for n, member in ipairs(members) do
    local from = string.match(member, US .. '(.+)$')
    local stored = not seen[from] and redis.call('HMGET', k:atom(from), 'f', 'rs', 'ra', 'rp') or {}
    seen[from] = true
    if stored[1] and stored[1] ~= '' then
      local state = reference_state(k, cmsgpack.unpack(stored[1]))
      if state[6] ~= stored[2] or state[8] ~= stored[3] or state[10] ~= stored[4] then
        redis.call('HSET', k:atom(from), unpack(state))
        k:refresh_passages(from)
      end
      made = made + #state[8] + #state[10]
      if made > AT_A_TIME then return n end
    end
  end
  return #members
end

-- The tokens of what `reference` names in this space changed: so does the state of all that refer to it. Many of them, or
-- much of it, are an errand for a worker.
local function ripple(k, reference)
  local referrers = k:referrers(reference)
  local count = redis.call('ZCARD', referrers)
  if count > AT_ONCE or (count > 0 and refresh(k, redis.call('ZRANGE', referrers, 0, -1)) < count) then
    errand(k, '~', reference)
  end
end

-- The tokens of the atom `id` of this space changed.
local function changed(k, id)
  if redis.call('EXISTS', k:referrers(id), k:watchers(id)) == 0 then return end
  ripple(k, id)
  for _, space in ipairs(redis.call('HKEYS', k:watchers(id))) do
    if space ~= '' then errand(k, '>', space, id) end
  end
end
