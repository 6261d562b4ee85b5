-- Moving in: a space written as an export has it, with its own authors and times. Nobody can see it before its end.

-- now: a place for the space; what an import that was cut off has left there goes.
redis.register_function('stoa_move_begin', function(KEYS, A)
  local k = keys(KEYS, A[1])
  if redis.call('HEXISTS', k.space, 'creator') == 1 then return redis.error_reply('TAKEN ' .. k.name) end
  for _, id in ipairs(redis.call('SMEMBERS', k.unembedded)) do
    local before = redis.call('HGET', k:atom(id), 'f')
    if before and before ~= '' then
      relink(k, id, cmsgpack.unpack(before), {})
    end
    k:drop_passages(id)
    redis.call('DEL', k:atom(id), k:history(id), k:referrers(id))
  end
  redis.call('DEL', k.space, k.log, k.grants, k.subscribers, k.unembedded, k.claims, k.errands, k.abroad, k.descriptions,
             k.order, k.contexts)
  redis.call('HSET', k.space, 'moving', A[1])
  return 1
end)

-- now | id patch references history lease, then the atom's other fields by name. The same atom again replaces it.
redis.register_function('stoa_move_atom', function(KEYS, A)
  local k, id = keys(KEYS, A[1]), A[2]
  if redis.call('HEXISTS', k.space, 'moving') == 0 then return redis.error_reply('TAKEN ' .. k.name) end
  local before = redis.call('HGET', k:atom(id), 'f')
  before = before and before ~= '' and cmsgpack.unpack(before) or {}
  local references = A[4] ~= '' and cmsgpack.unpack(A[4]) or {}
  k:drop_passages(id)
  redis.call('DEL', k:atom(id), k:history(id))
  local fields = {'f', A[4]}
  local metadata, tokens = '', ''
  if A[3] ~= '' then metadata, tokens = patched(k, '', '', cmsgpack.unpack(A[3]), fields, {}) end
  fields[#fields + 1] = 'm'; fields[#fields + 1] = metadata
  fields[#fields + 1] = 'kv'; fields[#fields + 1] = tokens
  relink(k, id, before, references)
  if A[4] ~= '' then
    for _, field in ipairs((reference_state(k, references))) do fields[#fields + 1] = field end
  end
  for n = 7, #A do
    fields[#fields + 1] = A[n]
    if A[n - 1] == 'ct' and n % 2 == 0 then
      fields[#fields + 1] = 'b'; fields[#fields + 1] = born(A[n], redis.call('HINCRBY', k.space, 'moved', 1))
      redis.call('ZADD', k.order, fields[#fields], id)
    end
  end
  redis.call('HSET', k:atom(id), unpack(fields))
  for _, entry in ipairs(cmsgpack.unpack(A[5])) do redis.call('RPUSH', k:history(id), entry) end
  weigh(k, #A[3] + #A[4] + #A[5] + redis.call('HSTRLEN', k:atom(id), 'c'))
  redis.call('SADD', k.unembedded, id)
  if A[6] ~= '' then redis.call('ZADD', k.claims, A[6], id) end
  changed(k, id)
  return 1
end)

-- now | [[seq, field, value, ...], ...]: entries of the change log, in their order.
redis.register_function('stoa_move_changes', function(KEYS, A)
  local k = keys(KEYS, A[1])
  if redis.call('HEXISTS', k.space, 'moving') == 0 then return redis.error_reply('TAKEN ' .. k.name) end
  local newest = redis.call('XREVRANGE', k.log, '+', '-', 'COUNT', 1)[1]
  local last = newest and tonumber(string.match(newest[1], '^%d+')) or 0
  for _, entry in ipairs(cmsgpack.unpack(A[2])) do
    if tonumber(entry[1]) > last then redis.call('XADD', k.log, entry[1] .. '-0', unpack(entry, 2)) end
  end
  return 1
end)

-- now | grants {principal: [grant, ...]} subscribers {principal: policy}, then the space's fields by name. Here it opens.
redis.register_function('stoa_move_end', function(KEYS, A)
  local k = keys(KEYS, A[1])
  if redis.call('HEXISTS', k.space, 'moving') == 0 then return 0 end
  for principal, grants in pairs(cmsgpack.unpack(A[2])) do
    redis.call('HSET', k.grants, principal, cmsgpack.pack(grants))
  end
  for principal, policy in pairs(cmsgpack.unpack(A[3])) do redis.call('HSET', k.subscribers, principal, policy) end
  redis.call('HDEL', k.space, 'moving', 'moved')
  redis.call('HSET', k.space, unpack(A, 4))
  return 1
end)
