#!lua name=stoa_lanes
-- One lane an agent: one turn at a time, held by a lease; the epoch it was given fences whoever held it before.
-- KEYS: lane, lease, and what each function names; all lie in the agent's slot.

-- patience-ms: a wake-up. Answers a key for the turn to queue, or nothing when one runs or is queued already. One that
-- was queued longer ago than the patience (0: any) counts as lost with its worker, and gets a key of its own.
redis.register_function('stoa_wake', function(KEYS, A)
  redis.call('HINCRBY', KEYS[1], 'wakes', 1)
  if redis.call('EXISTS', KEYS[2]) == 1 then return false end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local queued = tonumber(redis.call('HGET', KEYS[1], 'queued') or '-inf')
  if A[1] == '' and queued > 0 then return false end
  if A[1] ~= '' and now - queued <= tonumber(A[1]) then return false end
  redis.call('HSET', KEYS[1], 'queued', now)
  return redis.call('HINCRBY', KEYS[1], 'queues', 1)
end)

-- token lease-ms: take the lane. Answers {epoch, wakes}, or nothing while another holds it.
redis.register_function('stoa_begin', function(KEYS, A)
  local holder = redis.call('GET', KEYS[2])
  if holder and holder ~= A[1] then return {} end
  redis.call('SET', KEYS[2], A[1], 'PX', A[2])
  redis.call('HDEL', KEYS[1], 'queued')
  return {redis.call('HINCRBY', KEYS[1], 'epoch', 1), tonumber(redis.call('HGET', KEYS[1], 'wakes') or '0')}
end)

redis.register_function('stoa_renew', function(KEYS, A)
  if redis.call('GET', KEYS[2]) ~= A[1] then return 0 end
  return redis.call('PEXPIRE', KEYS[2], A[2])
end)

-- KEYS 3 journal. token field value: write down one step of the running turn; 0 when the lease is gone.
redis.register_function('stoa_journal', function(KEYS, A)
  if redis.call('GET', KEYS[2]) ~= A[1] then return 0 end
  redis.call('HSET', KEYS[3], A[2], A[3])
  return 1
end)

-- KEYS 3 journal, 4 waits, 5 programs. token field value program waits image: keep a program that waits, and note it in
-- the running turn; 0 when the lease is gone.
redis.register_function('stoa_keep', function(KEYS, A)
  if redis.call('GET', KEYS[2]) ~= A[1] then return 0 end
  redis.call('HSET', KEYS[3], A[2], A[3])
  redis.call('HSET', KEYS[4], A[4], A[5])
  redis.call('HSET', KEYS[5], A[4], A[6])
  return 1
end)

-- KEYS 3 journal, 4 cursors, 5 session, 6 ledger, 7 label, 8 waits, 9 programs, 10 traces. token lease-ms wakes cursors
-- messages ledger (msgpack) label (nothing: as it was) program trace number: the turn is done, all of it at once; a program
-- that went on in it waits no more. Answers -1 when the lease is gone, the new count of wakes when it is above the given one
-- and the lane is kept, or nothing when the lane is free. The same `number` of this token again changes nothing.
redis.register_function('stoa_commit', function(KEYS, A)
  local commit = A[1] .. '/' .. A[10]
  if redis.call('HGET', KEYS[1], 'commit') == commit then
    return redis.call('GET', KEYS[2]) == A[1] and tonumber(redis.call('HGET', KEYS[1], 'wakes') or '0')
  end
  if redis.call('GET', KEYS[2]) ~= A[1] then return -1 end
  for space, seq in pairs(cmsgpack.unpack(A[4])) do
    if redis.call('HEXISTS', KEYS[4], space) == 1 then redis.call('HSET', KEYS[4], space, seq) end  -- else unsubscribed
  end
  for _, message in ipairs(cmsgpack.unpack(A[5])) do redis.call('RPUSH', KEYS[5], message) end
  redis.call('LTRIM', KEYS[5], -1000, -1)
  if redis.call('HLEN', KEYS[6]) > 5000 then redis.call('DEL', KEYS[6]) end
  for atom, version in pairs(cmsgpack.unpack(A[6])) do redis.call('HSET', KEYS[6], atom, version) end
  if A[7] ~= '' then redis.call('SET', KEYS[7], A[7]) end
  if A[8] ~= '' then
    redis.call('HDEL', KEYS[8], A[8])
    redis.call('HDEL', KEYS[9], A[8])
  end
  if A[9] ~= '' then
    redis.call('LPUSH', KEYS[10], A[9])
    redis.call('LTRIM', KEYS[10], 0, 199)
  end
  redis.call('DEL', KEYS[3])
  redis.call('HSET', KEYS[1], 'commit', commit)
  local wakes = tonumber(redis.call('HGET', KEYS[1], 'wakes') or '0')
  if wakes > tonumber(A[3]) then
    redis.call('PEXPIRE', KEYS[2], A[2])
    return wakes
  end
  redis.call('DEL', KEYS[2])
  return false
end)

-- KEYS 3 cursors. space seq known: move a reader's place forward, never back; with `known` only a place it has.
redis.register_function('stoa_advance', function(KEYS, A)
  local place = redis.call('HGET', KEYS[3], A[1])
  if (A[3] == '1' and not place) or tonumber(place or '-1') >= tonumber(A[2]) then return 0 end
  redis.call('HSET', KEYS[3], A[1], A[2])
  return 1
end)

-- KEYS: lane, lease. token: give the lane back before its time; whoever comes next need not wait for the lease to end.
redis.register_function('stoa_release', function(KEYS, A)
  if redis.call('GET', KEYS[2]) ~= A[1] then return 0 end
  return redis.call('DEL', KEYS[2])
end)

-- The queue of background agents, fair among the causes they work for. KEYS: the list of causes that wait, each once;
-- the agents of a cause wait in a list beside it.

-- cause agent: stand at the end of one's cause.
redis.register_function('stoa_queue', function(KEYS, A)
  if redis.call('RPUSH', KEYS[1] .. ':' .. A[1], A[2]) == 1 then redis.call('RPUSH', KEYS[1], A[1]) end
  return redis.call('LLEN', KEYS[1])
end)

-- The next agent: the first of the cause that has waited longest, which then stands last.
redis.register_function('stoa_next', function(KEYS)
  local cause = redis.call('LPOP', KEYS[1])
  if not cause then return false end
  local agent = redis.call('LPOP', KEYS[1] .. ':' .. cause)
  if redis.call('EXISTS', KEYS[1] .. ':' .. cause) == 1 then redis.call('RPUSH', KEYS[1], cause) end
  return agent
end)

-- KEYS: session. first last count messages...: put messages in the place of the first `count`, unless those are others by
-- now than the ones that were read. A turn only adds behind them, so nobody has to hold the lane.
redis.register_function('stoa_shorten', function(KEYS, A)
  local count = tonumber(A[3])
  if redis.call('LINDEX', KEYS[1], 0) ~= A[1] or redis.call('LINDEX', KEYS[1], count - 1) ~= A[2] then return 0 end
  redis.call('LTRIM', KEYS[1], count, -1)
  for n = #A, 4, -1 do redis.call('LPUSH', KEYS[1], A[n]) end
  return 1
end)
