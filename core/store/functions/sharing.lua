-- Spaces themselves: made, described, shared with others, watched.

local DESCRIPTIONS_KEPT = 100

-- Adds a description to those the space ever had; the newest are kept, each with its own number.
local function described(k, at, who, outside, text)
  local number = redis.call('HINCRBY', k.space, 'described', 1)
  redis.call('RPUSH', k.descriptions, cmsgpack.pack({number, tonumber(at), who, outside, text}))
  redis.call('LTRIM', k.descriptions, -DESCRIPTIONS_KEPT, -1)
end

-- who ... comment | description: a new space, private to its creator; the same creator again finds it as it is.
redis.register_function('stoa_create', function(KEYS, A)
  local k, c = keys(KEYS, A[5]), call(A)
  local creator = redis.call('HGET', k.space, 'creator')
  if creator then
    if creator == c.who then return {0, 0} end
    return redis.error_reply('TAKEN ' .. k.name)
  end
  if redis.call('HEXISTS', k.space, 'moving') == 1 then return redis.error_reply('MOVING ' .. k.name) end
  redis.call('HSET', k.space, 'creator', c.who, 'description', A[9], 'outside', c.outside and 1 or 0, 'created', c.now)
  if A[10] ~= 'v' then redis.call('HSET', k.space, 'vf', A[10]) end
  redis.call('HSET', k.grants, c.who, cmsgpack.pack({{'', GRANT, 0, 0, ''}}))
  described(k, c.now, c.who, c.outside and 1 or 0, A[9])
  return {1, announce(k, c, 'create', '', 0)}
end)

-- Whether this operation was done before. Said again after an answer that was lost, it may not undo what others have
-- done since: describe anew, or take a right back.
local function done_before(k, c)
  return not redis.call('SET', k:operation(c.operation), 0, 'EX', REMEMBER, 'NX')
end

-- who ... comment | description
redis.register_function('stoa_describe', function(KEYS, A)
  local k, c = keys(KEYS, A[5]), call(A)
  local refused = refusal(k, c.by, GRANT) or fenced(k, c.who, c.epoch)
  if refused then return refused end
  if done_before(k, c) then return {1, 0} end
  if redis.call('EXISTS', k.descriptions) == 0 then  -- it is older than this list, or came by an import
    local old = redis.call('HMGET', k.space, 'created', 'creator', 'outside', 'description')
    described(k, tonumber(old[1]) or c.now, old[2] or '', tonumber(old[3]) or 0, old[4] or '')
  end
  redis.call('HSET', k.space, 'description', A[9], 'outside', c.outside and 1 or 0)
  described(k, c.now, c.who, c.outside and 1 or 0, A[9])
  return {1, announce(k, c, 'describe', '', 0)}
end)

-- A grant is {giver, level, until (ms) or 0, delegate 0 or 1, id or ''}. Standing grants,
-- those until a time, each of these to be passed on only, and those with an id of their own lie beside one another: a new
-- one replaces the giver's of its own kind.
local function kind(grant) return (grant[3] > 0 and 2 or 0) + grant[4] end

-- who ... comment | principal level needed until delegate id. `needed` is grant to share, or the level itself for a spawner
-- that passes on to its child no more than it holds. Level 0 takes back what `who` gave (everything, for a grant holder),
-- or of that the one with this id.
redis.register_function('stoa_share', function(KEYS, A)
  local k, c = keys(KEYS, A[5]), call(A)
  local principal, given, needed = A[9], tonumber(A[10]), tonumber(A[11])
  local refused = refusal(k, c.by, math.max(given, needed, READ), true) or fenced(k, c.who, c.epoch)
  if refused then return refused end
  if done_before(k, c) then return {given, 0} end
  local id = A[14] or ''
  local fresh = {c.who, given, tonumber(A[12]), tonumber(A[13]), id}
  local all = given == 0 and reaches(k, c.by, GRANT, true, {})
  local raw, kept, taken = redis.call('HGET', k.grants, principal), {}, false
  for _, grant in ipairs(raw and cmsgpack.unpack(raw) or {}) do
    local same = grant[5] == id
    if given == 0 then same = same or id == ''  -- without an id all of it is taken back
    else same = same and (id ~= '' or kind(grant) == kind(fresh)) end
    local replaced = same and (all or grant[1] == c.who)
    local over = grant[3] > 0 and grant[3] <= k.now
    taken = taken or (replaced and not over)
    if not (replaced or over) then kept[#kept + 1] = grant end
  end
  if given > 0 then kept[#kept + 1] = fresh
  elseif not taken then return redis.error_reply('NOTGIVEN ' .. principal) end
  if #kept > 0 then redis.call('HSET', k.grants, principal, cmsgpack.pack(kept))
  else redis.call('HDEL', k.grants, principal) end
  return {given, announce(k, c, given > 0 and 'share' or 'revoke', '', 0)}
end)

-- who now subscription: tell me of changes (see `interested`), or forget me (''), which nobody is refused. Answers the
-- newest change.
redis.register_function('stoa_subscribe', function(KEYS, A)
  local k = keys(KEYS, A[2])
  if A[3] == '' then return redis.call('HDEL', k.subscribers, A[1]) end
  local refused = refusal(k, A[1], READ)
  if refused then return refused end
  redis.call('HSET', k.subscribers, A[1], A[3])
  return tonumber(redis.call('HGET', k.space, 'seq') or '0')
end)
