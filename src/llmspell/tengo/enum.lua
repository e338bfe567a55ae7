-- The module enum: functions over arrays and maps.

local inside = ...
local T = inside.tengo
local setmetatable, counted = inside.setmetatable, inside.counted
local U, OWN, truth, is_array, is_map, length, items_of = T.U, T.OWN, T.truth, T.is_array, T.is_map, T.length, T.items_of

-- Calls f with each key and value until it gives a value; what is no array or map gives `otherwise`.
local function each(v, f, arrays_only)
  if is_array(v) then
    local t = items_of(v)
    for i = 0, length(t) - 1 do
      counted()
      local found = f(i, t[i])
      if found ~= nil then return found end
    end
  elseif is_map(v) and not arrays_only then
    local t = items_of(v)
    local keys, n = T.sorted_keys(t)
    for i = 1, n do
      counted()
      local found = f(keys[i], t[keys[i]])
      if found ~= nil then return found end
    end
  end
end

local function fits(v, arrays_only) return is_array(v) or not arrays_only and is_map(v) end

local E = {}
function E.all(v, f)
  if not fits(v) then return U end
  return each(v, function(k, item) if not truth(f(k, item)) then return false end end) == nil
end
function E.any(v, f)
  if not fits(v) then return U end
  return each(v, function(k, item) if truth(f(k, item)) then return true end end) or false
end
function E.chunk(v, size)
  if not is_array(v) or not T.is_int(size) or size < 1 then return U end
  local t, out, n = items_of(v), {}, 0
  local count = length(t)
  for i = 0, count - 1, size do
    counted()
    local last = count - i > size and i + size - 1 or count - 1
    out[n], n = setmetatable(T.copied(t, i, last, {}, 0), OWN), n + 1
  end
  return setmetatable(out, OWN)
end
function E.at(v, k)
  if is_array(v) and T.is_int(k) or is_map(v) and inside.type(k) == "string" then return v[k] end
  return U
end
function E.each(v, f)
  each(v, function(k, item) f(k, item) end)
  return U
end
function E.filter(v, f)
  if not fits(v, true) then return U end
  local out, n = {}, 0
  each(v, function(k, item) if truth(f(k, item)) then out[n], n = item, n + 1 end end)
  return setmetatable(out, OWN)
end
function E.find(v, f)
  local found = each(v, function(k, item) if truth(f(k, item)) then return item end end)
  return found == nil and U or found
end
function E.find_key(v, f)
  return each(v, function(k, item) if truth(f(k, item)) then return k end end) or U
end
function E.map(v, f)
  if not fits(v) then return U end
  local out, n = {}, 0
  each(v, function(k, item) out[n], n = f(k, item), n + 1 end)
  return setmetatable(out, OWN)
end
function E.key(k) return k end
function E.value(_, v) return v end

-- They are functions of the language, of two parameters each.
for name, f in inside.next, E do
  E[name] = function(...)
    local got = inside.select("#", ...)
    if got ~= 2 then T.fail("wrong number of arguments: want=2, got=" .. got) end
    return f(...)
  end
end
return E
