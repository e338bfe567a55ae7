-- Has a program do the same in every state that is given the same: tables are gone through in the
-- order of their keys, and the clock is the host's. Loaded before a program that keeps a checkpoint.
-- Keys that are tables or functions have no order of their own: they come last, in the order found.

local inside, counted, steps = ...
local env, type, next, select, sort, bad, call, copy, look, raw_metatable =
  inside.env, inside.type, inside.next, inside.select, inside.table.sort, inside.bad, inside.call,
  inside.copy, inside.look, inside.raw_metatable
local os, rawget, setmetatable, meta_pairs = inside.os, inside.rawget, inside.setmetatable, inside.utf8 ~= nil

local FEW = 5000                                   -- keys that C may put in order without a look at the clock
local RANK = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  counted()
  local x, y = RANK[type(a)], RANK[type(b)]
  if x ~= y then return x < y end
  if x == 3 then return b and not a end
  return a < b
end

-- The keys of a table in order, and how many.
local function keys_of(t)
  local keys, others, count, other, sorted, alike, first = {}, nil, 0, 0, true, true, nil
  for k in next, t do
    counted()
    if RANK[type(k)] then
      count = count + 1
      keys[count] = k
      local kind = type(k)
      alike = alike and kind ~= "boolean" and (count == 1 or kind == first)
      first = kind
      sorted = sorted and (count == 1 or before(keys[count - 1], k))
    else
      others = others or {}
      other = other + 1
      others[other] = k
    end
  end
  if not sorted and alike and count <= FEW then sort(keys)
  elseif not sorted then sort(keys, before) end
  for i = 1, other do keys[count + i] = others[i] end
  return keys, count + other
end

function env.pairs(...)
  local t = ...
  if select("#", ...) == 0 then bad("bad argument #1 to 'pairs' (table expected, got no value)", 2) end
  local meta = meta_pairs and raw_metatable(t)
  local own = type(meta) == "table" and rawget(meta, "__pairs")
  if own then
    local f, s, k = own(t)
    return f, s, k
  end
  if type(t) ~= "table" then bad("bad argument #1 to 'pairs' (table expected, got " .. type(t) .. ")", 2) end
  local keys, count = keys_of(t)
  local at = 0
  return function()
    repeat
      counted()
      at = at + 1
      local k = keys[at]
      local v = k ~= nil and rawget(t, k)
      if v ~= nil and k ~= nil then return k, v end
    until at > count
  end, t, nil
end

-- Table -> its keys in order, and the place of each, as `next` last found them.
local walks = setmetatable({}, { __mode = "k" })

function env.next(t, key)
  if type(t) ~= "table" then bad("bad argument #1 to 'next' (table expected, got " .. type(t) .. ")", 2) end
  local walk = walks[t]
  if key == nil or not walk or not walk.places[key] then
    local keys, count = keys_of(t)
    walk = { keys = keys, places = {} }
    for i = 1, count do walk.places[keys[i]] = i end
    walks[t] = walk
  end
  local at = key == nil and 0 or walk.places[key]
  if not at then bad("invalid key to 'next'", 2) end
  while true do
    counted()
    at = at + 1
    local k = walk.keys[at]
    if k == nil then return nil end
    local v = rawget(t, k)
    if v ~= nil then return k, v end
  end
end

-- Memory in use is another in each state.
function env.collectgarbage(option)
  if option == nil or option == "collect" then look() end
  if option == nil or option == "collect" or option == "count" then return 0 end
  bad('collectgarbage takes "collect" or "count" here', 2)
end

local floor = inside.math.floor
local function now() return floor(call("time.now")) end

local clocks = copy(os, "difftime")
function clocks.clock() return steps() / 1e7 end
function clocks.time(t)
  if t == nil then return now() end
  return os.time(t)
end
function clocks.date(format, t)
  if type(format) == "string" and #format > 64 then look() end
  return os.date(format, t == nil and now() or t)
end
inside.clocks = clocks
