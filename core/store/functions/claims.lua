-- Claims: an atom taken to be worked on, for as long as a lease. While one lasts, its end stands in the space's claims and
-- the atom's field cl holds {owner, root, depth, what was before}, a patch of status and owner.

-- Give a claimed atom back: status and owner are what they were before. A change of its own, that goes back to the claim.
local function give_back(k, now, id)
  local was = stored_atom(k, id)
  redis.call('ZREM', k.claims, id)
  if not was or was.cl == '' then return end
  local claim = cmsgpack.unpack(was.cl)
  local whose = #claim[1] > 100 and 'its owner' or claim[1]
  local c = {who = 'clock', origin = 'agent', operation = '', now = now, root = claim[2], depth = claim[3],
             comment = 'free again: the claim of ' .. whose .. ' has ended'}
  local patch = claim[4]
  patch[#patch + 1] = {'lease', false, {}, false}
  revise(k, c, id, was, 'update', {patch = patch, dropped = {'cl'}})
end

-- What `key` is at present, as an entry of a patch.
local function entry_of(was, key)
  local metadata = was.m ~= '' and cmsgpack.unpack(was.m) or {}
  local tokens = {}
  for _, word in ipairs(words(was.kv)) do
    if string.sub(word, 1, #key + 1) == key .. '=' then tokens[#tokens + 1] = word end
  end
  return {key, metadata[key] or false, tokens, false}
end

-- who ... comment | id until metadata owner (as JSON). Takes a pending atom that nobody has; the same owner again lengthens.
redis.register_function('stoa_claim', function(KEYS, A)
  local k, c = keys(KEYS, A[5]), call(A)
  local id, patch, owner = A[9], cmsgpack.unpack(A[11]), A[12]
  local refused = refusal(k, c.by, WRITE) or fenced(k, c.who, c.epoch)
  if refused then return refused end
  local done = remembered(k, c, id)
  if done then return done end
  local ends = tonumber(redis.call('ZSCORE', k.claims, id) or '0')
  if ends ~= 0 and ends <= k.now then give_back(k, c.now, id) end
  local was = stored_atom(k, id)
  if not was then return redis.error_reply('NOATOM ' .. id) end
  local metadata = was.m ~= '' and cmsgpack.unpack(was.m) or {}
  local before
  if was.cl ~= '' then
    if metadata.owner ~= owner then return redis.error_reply('CLAIMED ' .. ends .. ' ' .. (metadata.owner or '')) end
    before = cmsgpack.unpack(was.cl)[4]
  else
    if was.sp ~= k.name then return redis.error_reply('NOTFREE "deprecated"') end
    if metadata.status and metadata.status ~= '"pending"' then return redis.error_reply('NOTFREE ' .. metadata.status) end
    if metadata.owner and metadata.owner ~= owner then return redis.error_reply('CLAIMED 0 ' .. metadata.owner) end
    before = {entry_of(was, 'status'), entry_of(was, 'owner')}
  end
  local much = #patch > 3 and too_much(was, {patch = patch})  -- status, owner and lease are the claim's own
  if much then return much end
  redis.call('ZADD', k.claims, A[10], id)
  local claim = cmsgpack.pack({c.who, c.root, c.depth, before})
  local version, seq = revise(k, c, id, was, 'update', {patch = patch, fields = {'cl', claim}})
  return {version, seq, redis.call('HMGET', k:atom(id), unpack(FIELDS)), k.errand}
end)

-- now owner most: give back so many of the claims that have ended, or with an owner all of that owner's. Answers how many
-- these were. Anybody may ask: it does only what time has decided already.
redis.register_function('stoa_give_back', function(KEYS, A)
  local k, count = keys(KEYS, A[1]), 0
  local ids = A[2] == '' and redis.call('ZRANGEBYSCORE', k.claims, '-inf', A[1], 'LIMIT', 0, A[3])
              or redis.call('ZRANGE', k.claims, 0, -1)
  for _, id in ipairs(ids) do
    local claim = A[2] ~= '' and redis.call('HGET', k:atom(id), 'cl')
    if A[2] == '' or (claim and cmsgpack.unpack(claim)[1] == A[2]) then
      give_back(k, A[1], id)
      count = count + 1
    end
  end
  return count
end)
