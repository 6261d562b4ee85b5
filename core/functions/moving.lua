-- Moving in: a space written as an export has it, with its own authors and times. Nobody can see it before its end.

-- now: a place for the space; what an import that was cut off has left there goes.
redis.register_function('stoa_move_begin', function(KEYS, A)
  local k = keys(KEYS, A[1])
  if redis.call('HEXISTS', k.space, 'creator') == 1 then return redis.error_reply('TAKEN ' .. k.name) end
  for _, id in ipairs(redis.call('SMEMBERS', k.unembedded)) do
    redis.call('DEL', k:atom(id), k:history(id), k:referrers(id))
  end
  redis.call('DEL', k.space, k.log, k.grants, k.subscribers, k.unembedded, k.claims)
  redis.call('HSET', k.space, 'moving', A[1])
  return 1
end)

-- now | id patch references history lease, then the atom's other fields by name. The same atom again replaces it.
redis.register_function('stoa_move_atom', function(KEYS, A)
  local k, id = keys(KEYS, A[1]), A[2]
  if redis.call('HEXISTS', k.space, 'moving') == 0 then return redis.error_reply('TAKEN ' .. k.name) end
  local before = redis.call('HGET', k:atom(id), 'f')
  if before and before ~= '' then link(k, 'SREM', id, cmsgpack.unpack(before)) end
  redis.call('DEL', k:atom(id), k:history(id))
  local fields = {'f', A[4]}
  local metadata, tokens = '', ''
  if A[3] ~= '' then metadata, tokens = patched(k, '', '', cmsgpack.unpack(A[3]), fields, {}) end
  fields[#fields + 1] = 'm'; fields[#fields + 1] = metadata
  fields[#fields + 1] = 'kv'; fields[#fields + 1] = tokens
  if A[4] ~= '' then
    local references = cmsgpack.unpack(A[4])
    for _, field in ipairs(reference_state(k, references)) do fields[#fields + 1] = field end
    link(k, 'SADD', id, references)
  end
  for n = 7, #A do fields[#fields + 1] = A[n] end
  redis.call('HSET', k:atom(id), unpack(fields))
  for _, entry in ipairs(cmsgpack.unpack(A[5])) do redis.call('RPUSH', k:history(id), entry) end
  redis.call('SADD', k.unembedded, id)
  if A[6] ~= '' then redis.call('ZADD', k.claims, A[6], id) end
  if redis.call('EXISTS', k:referrers(id)) == 1 then ripple(k, id) end
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
  redis.call('HDEL', k.space, 'moving')
  redis.call('HSET', k.space, unpack(A, 4))
  return 1
end)
