-- Errands: what a space still owes its own referrers and other spaces. None of these asks for a right, since none tells
-- anything to anyone but spaces: what a reader may know of a target is decided by the search.

local function working(name, run, ...)
  local flags = {...}
  redis.register_function{function_name = name, flags = flags, callback = function(KEYS, A) return run(keys(KEYS), A) end}
end

-- The errands that wait, at most 64, as {field, number, kind, what, ...}.
--   + reference                                 fetch its tokens       ~ reference      refresh all its referrers
--   > space id version tokens registration      tell that space of our atom
working('stoa_errands', function(k)
  local waiting, found = redis.call('HRANDFIELD', k.errands, 64, 'WITHVALUES'), {}
  for i = 1, #waiting, 2 do
    local parts = words(waiting[i])
    local one = {waiting[i], waiting[i + 1], unpack(parts)}
    if parts[1] == '>' then
      local stored = redis.call('HMGET', k:atom(parts[3]), 'ver', 'kv')
      one[#one + 1] = stored[1] or '0'; one[#one + 1] = stored[2] or ''
      one[#one + 1] = redis.call('HGET', k:watchers(parts[3]), parts[2]) or '0'
    end
    found[#found + 1] = one
  end
  return found
end, 'no-writes')

-- field number: this errand is done, unless it was asked for again meanwhile.
working('stoa_done', function(k, A)
  return redis.call('HGET', k.errands, A[1]) == A[2] and redis.call('HDEL', k.errands, A[1]) or 0
end)

-- id space: tell `space` of this atom's changes from now on. Answers its version and tokens.
working('stoa_watch', function(k, A)
  redis.call('HSET', k:watchers(A[1]), A[2], redis.call('HINCRBY', k:watchers(A[1]), '', 1))
  local stored = redis.call('HMGET', k:atom(A[1]), 'ver', 'kv')
  return {stored[1] or '0', stored[2] or ''}
end)

-- id space registration: stop telling it, unless it has asked again since.
working('stoa_unwatch', function(k, A)
  if redis.call('HGET', k:watchers(A[1]), A[2]) ~= A[3] then return 0 end
  redis.call('HDEL', k:watchers(A[1]), A[2])
  if redis.call('HLEN', k:watchers(A[1])) == 1 then redis.call('HDEL', k:watchers(A[1]), '') end
  return 1
end)

-- reference version tokens: what that atom of another space is now. Answers 0 if nobody here refers to it any more.
working('stoa_project', function(k, A)
  local stored = redis.call('HMGET', k:projection(A[1]), 'ver', 'kv')
  if not stored[1] then return 0 end
  if tonumber(A[2]) >= tonumber(stored[1]) then
    redis.call('HSET', k:projection(A[1]), 'ver', A[2], 'kv', A[3])
    if A[3] ~= (stored[2] or '') then ripple(k, A[1]) end
  end
  return 1
end)

-- reference after: refresh the next hundred of its referrers at most. Answers the last of them, nothing at the end.
working('stoa_refresh', function(k, A)
  local page = referring(k, A[1], '', A[2], 100)
  local done = refresh(k, page)
  return (done < #page or done == 100) and page[done] or ''
end)
