#!lua name=stoa_cluster
-- For a search engine that takes the name of an index for a key, as RediSearch 2 does: Redis then looks for what was
-- found in the slot of that name only, so the hits come without their fields, and each is read here in its own slot.

-- count field... | FT.SEARCH ... NOCONTENT with sort keys or scores: the hits of this node with these of their fields.
redis.register_function{
  function_name = 'stoa_search',
  flags = {'no-writes', 'allow-cross-slot-keys'},
  callback = function(_, A)
    local count, fields, command = tonumber(A[1]), {}, {}
    for i = 2, count + 1 do fields[i - 1] = A[i] end
    for i = count + 2, #A do command[#command + 1] = A[i] end
    local found = redis.call(unpack(command))
    if count == 0 then return found end
    local answer = {found[1]}
    for i = 2, #found, 2 do
      local stored, flat = redis.call('HMGET', found[i], unpack(fields)), {}
      for j = 1, count do
        if stored[j] then
          flat[#flat + 1] = fields[j]
          flat[#flat + 1] = stored[j]
        end
      end
      answer[#answer + 1] = found[i]
      answer[#answer + 1] = found[i + 1]
      answer[#answer + 1] = flat
    end
    return answer
  end,
}
