#!lua name=stoa_budgets
-- Accounts: what each chain of turns has spent and holds reserved. They all lie in one slot, so that one call looks at
-- every account a turn draws from and changes all of them or none.
-- Amounts are lists of whole numbers: turns, spawns, tokens, billionths of a dollar, milliseconds, bytes. In an account's hash
-- u1..u6 are spent, h1..h6 are reserved, l1..l6 the limits it was given; `told` is the turn that tells of its end.
-- KEYS: 1 the turn's reservations, 2 the prices, 3 the spending of the day, 4 the newest roots, then the accounts.

local US = '\31'
local TURNS, SPAWNS, TOKENS, DOLLARS, SECONDS, BYTES = 1, 2, 3, 4, 5, 6
local AMOUNTS = 6
local FIRST, MOST_FIELDS, MOST_ROOTS = 4, 20000, 1000
local TURN_LIVES, YEAR = 604800, 34560000

local NAMES = {}
for i = 1, AMOUNTS do NAMES[i] = 'u' .. i; NAMES[AMOUNTS + i] = 'h' .. i; NAMES[2 * AMOUNTS + i] = 'l' .. i end

local function account(key)
  local stored = redis.call('HMGET', key, unpack(NAMES))
  local used, held, limits = {}, {}, {}
  for i = 1, AMOUNTS do
    used[i], held[i] = tonumber(stored[i] or '0'), tonumber(stored[AMOUNTS + i] or '0')
    limits[i] = stored[2 * AMOUNTS + i] and tonumber(stored[2 * AMOUNTS + i])
  end
  return {used = used, held = held, limits = limits}
end

-- What `key` may spend in all, at `i`: what it was given, else what the settings say; nothing where neither bounds it.
local function limit(one, defaults, i) return one.limits[i] or (defaults[i] and tonumber(defaults[i])) end

-- The first account that cannot bear the amounts: {position, field, limit, spent and reserved, asked, whether this turn
-- is the one to tell of it}; nothing when all can.
local function refused(KEYS, wanted, defaults, turn)
  for n = FIRST + 1, #KEYS do
    local one = account(KEYS[n])
    for i = 1, AMOUNTS do
      local most = limit(one, defaults[n - FIRST], i)
      local taken = one.used[i] + one.held[i]
      if most and wanted[i] > 0 and taken + wanted[i] > most then
        redis.call('HSETNX', KEYS[n], 'told', turn)
        local tells = redis.call('HGET', KEYS[n], 'told') == turn and 1 or 0
        return {n - FIRST, i, most, taken, wanted[i], tells}
      end
    end
  end
end

local function add(KEYS, kind, amounts, sign)
  for n = FIRST + 1, #KEYS do
    for i = 1, AMOUNTS do
      if amounts[i] ~= 0 then redis.call('HINCRBY', KEYS[n], kind .. i, sign * amounts[i]) end
    end
  end
end

local function fenced(KEYS, epoch)
  local newest = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
  if tonumber(epoch) < newest then return redis.error_reply('FENCED this agent') end
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call('EXPIRE', KEYS[1], TURN_LIVES)
end

-- What was spent, in the table of the day: in all, by the agent and by the model. Above so many entries a name that is
-- new that day is counted among the others.
local function note(KEYS, agent, model, amounts)
  for _, who in ipairs({'', 'agent' .. US .. agent, 'model' .. US .. model}) do
    local kind, name = string.match(who, '^(.-)' .. US .. '(.*)$')
    if name ~= '' then
      for what, amount in pairs(amounts) do
        local field = who .. US .. what
        if kind and redis.call('HLEN', KEYS[3]) > MOST_FIELDS and redis.call('HEXISTS', KEYS[3], field) == 0 then
          field = kind .. US .. 'others' .. US .. what
        end
        if amount ~= 0 then redis.call('HINCRBY', KEYS[3], field, amount) end
      end
    end
  end
  redis.call('EXPIRE', KEYS[3], YEAR)
end

-- epoch turn name amounts limits model: reserve, unless an account cannot bear it; `limits` are those of each account.
-- Reserved already: nothing more is taken. The tokens are priced as dear as the model ever was.
redis.register_function('stoa_reserve', function(KEYS, A)
  local turn, name, wanted = A[2], A[3], cmsgpack.unpack(A[4])
  local late = fenced(KEYS, A[1])
  if late then return late end
  local stored = redis.call('HGET', KEYS[1], name)
  if stored and #stored > 1 then return {} end
  wanted[DOLLARS] = wanted[TOKENS] * tonumber(redis.call('HGET', KEYS[2], A[6]) or '0')
  local no = refused(KEYS, wanted, cmsgpack.unpack(A[5]), turn)
  if no then return no end
  add(KEYS, 'h', wanted, 1)
  redis.call('HSET', KEYS[1], name, cmsgpack.pack(wanted))
  return {}
end)

-- What was reserved as `name` was spent: {turns, ..., milliseconds}, {calls, prompt, completion, cached}. Once.
local function settle(KEYS, name, spent, counts, agent, model)
  local stored = redis.call('HGET', KEYS[1], name)
  if not stored or #stored == 1 then return 0 end
  add(KEYS, 'h', cmsgpack.unpack(stored), -1)
  add(KEYS, 'u', spent, 1)
  redis.call('HSET', KEYS[1], name, 's')
  note(KEYS, agent, model, {calls = counts[1], prompt = counts[2], completion = counts[3], cached = counts[4],
                            dollars = spent[DOLLARS], seconds = spent[SECONDS]})
  if spent[TOKENS] > 0 then
    local price = math.ceil(spent[DOLLARS] / spent[TOKENS])
    if price > tonumber(redis.call('HGET', KEYS[2], model) or '0') then redis.call('HSET', KEYS[2], model, price) end
  end
  return 1
end

-- agent model name spent counts
redis.register_function('stoa_settle', function(KEYS, A)
  return settle(KEYS, A[3], cmsgpack.unpack(A[4]), cmsgpack.unpack(A[5]), A[1], A[2])
end)

-- agent model spent silent settlements epoch: the turn is over. What a worker that died had not settled is settled as far as
-- it is known ({name, spent, counts} each) and given back where it is not.
redis.register_function('stoa_finish', function(KEYS, A)
  local agent, model, spent = A[1], A[2], cmsgpack.unpack(A[3])
  if fenced(KEYS, A[6]) then return 0 end
  for _, one in ipairs(cmsgpack.unpack(A[5])) do settle(KEYS, one[1], one[2], one[3], agent, model) end
  local stored, open = redis.call('HGETALL', KEYS[1]), false
  for i = 1, #stored, 2 do
    if stored[i] ~= 'epoch' and stored[i] ~= 'turn' then
      if #stored[i + 1] > 1 then add(KEYS, 'h', cmsgpack.unpack(stored[i + 1]), -1) end
      redis.call('HDEL', KEYS[1], stored[i])
      open = true
    end
  end
  local first = redis.call('HGET', KEYS[1], 'turn') == 's'
  if not (open or first) then return 0 end  -- finished before
  if first then redis.call('HSET', KEYS[1], 'turn', 'f') end
  add(KEYS, 'u', spent, 1)
  note(KEYS, agent, model, {turns = first and 1 or 0, silent = first and tonumber(A[4]) or 0, seconds = spent[SECONDS]})
  return 1
end)

-- epoch turn amounts limits lives root now: the turn begins, which is one of the amounts. `lives` are the seconds each
-- account stays (0: for ever). A turn that began before takes nothing more.
redis.register_function('stoa_begin_turn', function(KEYS, A)
  local late = fenced(KEYS, A[1])
  if late then return late end
  if redis.call('HEXISTS', KEYS[1], 'turn') == 1 then return {} end
  local wanted = cmsgpack.unpack(A[3])
  local no = refused(KEYS, wanted, cmsgpack.unpack(A[4]), A[2])
  if no then return no end
  add(KEYS, 'u', wanted, 1)
  redis.call('HSET', KEYS[1], 'turn', 's')
  for n, seconds in ipairs(cmsgpack.unpack(A[5])) do
    if seconds > 0 then redis.call('EXPIRE', KEYS[FIRST + n], seconds) end
  end
  redis.call('ZADD', KEYS[4], A[7], A[6])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -MOST_ROOTS - 1)
  return {}
end)

-- epoch turn name amounts limits: take the amounts for good, before what they are for is done. Taken already: nothing
-- more is.
redis.register_function('stoa_take', function(KEYS, A)
  local late = fenced(KEYS, A[1])
  if late then return late end
  if redis.call('HEXISTS', KEYS[1], A[3]) == 1 then return {} end
  local wanted = cmsgpack.unpack(A[4])
  local no = refused(KEYS, wanted, cmsgpack.unpack(A[5]), A[2])
  if no then return no end
  add(KEYS, 'u', wanted, 1)
  redis.call('HSET', KEYS[1], A[3], 's')
  return {}
end)

-- The last of KEYS is the account of an agent about to be spawned. epoch turn name amounts limits budget: take the spawn
-- and give the new agent its budget, six numbers, -1 where none was asked. What is asked beyond what is left is answered
-- as {0, field, asked, left}.
redis.register_function('stoa_spawn', function(KEYS, A)
  local late = fenced(KEYS, A[1])
  if late then return late end
  if redis.call('HEXISTS', KEYS[1], A[3]) == 1 then return {} end
  local wanted, defaults, budget = cmsgpack.unpack(A[4]), cmsgpack.unpack(A[5]), cmsgpack.unpack(A[6])
  local child = table.remove(KEYS)
  for n = FIRST + 1, #KEYS do
    local one = account(KEYS[n])
    for i = 1, AMOUNTS do
      local most = limit(one, defaults[n - FIRST], i)
      local left = most and math.max(0, most - one.used[i] - one.held[i])
      if left and budget[i] > left then return {0, i, budget[i], left} end
    end
  end
  local no = refused(KEYS, wanted, defaults, A[2])
  if no then return no end
  add(KEYS, 'u', wanted, 1)
  redis.call('HSET', KEYS[1], A[3], 's')
  for i = 1, AMOUNTS do
    if budget[i] >= 0 then redis.call('HSET', child, 'l' .. i, budget[i]) end
  end
  return {}
end)

-- KEYS: one account. limits: let it spend so much in all (-1: as before); whoever meets the new end tells of it anew.
redis.register_function('stoa_allow', function(KEYS, A)
  for i, most in ipairs(cmsgpack.unpack(A[1])) do
    if most >= 0 then redis.call('HSET', KEYS[1], 'l' .. i, most) end
  end
  return redis.call('HDEL', KEYS[1], 'told')
end)
