-- What compiled Tengo calls, where Lua's own operators do not do.

local inside = ...
local T = inside.tengo
local type, next, select, rawget, rawset, setmetatable, getmetatable =
  inside.type, inside.next, inside.select, inside.rawget, inside.rawset, inside.setmetatable, inside.raw_metatable
local unpack, counted, byte, sub, mtype = inside.unpack, inside.counted, inside.string.byte, inside.string.sub, inside.math.type
local U, NO, OWN, SHARED, BYTES, KEY, chars, fail, check_fault, invalid, type_name, truth, length, items_of, is_array, copied, new_array,
  new_bytes, runes_of, not_indexable, FALSY, EMPTY, FREE =
  T.U, T.NO, T.OWN, T.SHARED, T.BYTES, T.KEY, T.chars, T.fail, T.check_fault, T.invalid, T.type_name, T.truth, T.length, T.items_of,
  T.is_array, T.copied, T.new_array, T.new_bytes, T.runes_of, T.not_indexable, T.FALSY, T.EMPTY, T.FREE

local is_int, ERA = T.is_int, T.ERA

function T.div(a, b)
  if mtype(a) == "integer" and mtype(b) == "integer" then
    if b == 0 then fail("integer divide by zero") end
    local q = a // b
    if (a < 0) ~= (b < 0) and q * b ~= a then return q + 1 end
    return q
  end
  if type(a) == "number" and type(b) == "number" then return a / b end
  invalid(a, "/", b)
end

function T.mod(a, b)
  if mtype(a) == "integer" and mtype(b) == "integer" then
    if b == 0 then fail("integer divide by zero") end
    local r = a % b
    if r ~= 0 and (a < 0) ~= (b < 0) then return r - b end
    return r
  end
  invalid(a, "%", b)
end

function T.shr(a, b)
  if not (is_int(a) and is_int(b)) then invalid(a, ">>", b) end
  if b < 0 or b > 62 then return a < 0 and -1 or 0 end
  return a // (1 << b)
end

function T.shl(a, b)
  if not (is_int(a) and is_int(b)) then invalid(a, "<<", b) end
  if b < 0 then return 0 end                       -- Tengo takes it for a count without a sign
  return a << b
end

function T.clear(a, b)
  if not (is_int(a) and is_int(b)) then invalid(a, "&^", b) end
  return a & ~b
end

function T.complement(v)
  if is_int(v) then return ~v end
  check_fault(v)
  fail("invalid operation: ^" .. type_name(v))
end

-- Lua makes b < a of a > b. So that an error tells what the program asks, here are the lines of each source that ask for
-- more and not for less.
local turned, getinfo = {}, inside.getinfo
function T.turned(lines) turned[getinfo(2, "S").source] = lines end
function T.unordered(a, op, b)
  local level, info = 4, getinfo(4, "Sl")
  while info and (info.currentline < 1 or info.source == "=prelude") do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  local lines = info and turned[info.source]
  if not (lines and inside.find(lines, " " .. info.currentline .. " ", 1, true)) then invalid(a, op, b) end
  invalid(b, op == "<" and ">" or ">=", a)
end

-- Where the character at a place of a text ends: what is no UTF-8 has one a byte.
function T.after(s, i)
  local c = byte(s, i)
  if c < 128 or not inside.utf8.len(s, i, i) then return i + 1 end
  return i + (c < 0xE0 and 2 or c < 0xF0 and 3 or 4)
end

-- Times are nanoseconds of 64 bits, in an era of that many each: seconds go far beyond.
local SECOND, ERA_SECONDS, ERA_REST = 1000000000, 18446744073, 709551616
function T.time_at(seconds, nano, of)
  local ns = seconds * SECOND + nano
  return T.new_time(ns, of, inside.math.floor((seconds - ns // SECOND) / (ERA_SECONDS + 0.709551616) + 0.5))
end
function T.clock_of(v)                             -- seconds since 1970, and nanoseconds
  local ns, era = v[KEY], rawget(v, ERA) or 0
  local nano = ns % SECOND + era * ERA_REST
  return ns // SECOND + era * ERA_SECONDS + nano // SECOND, nano % SECOND
end
function T.is_zero(v)
  local seconds, nano = T.clock_of(v)
  return seconds == -62135596800 and nano == 0
end
function T.later(v, d)
  local ns, era = v[KEY] + d, rawget(v, ERA) or 0
  if d > 0 and ns < v[KEY] then era = era + 1 elseif d < 0 and ns > v[KEY] then era = era - 1 end
  return T.new_time(ns, v, era)
end
-- Nanoseconds between two times, at most what 64 bits hold.
function T.apart(a, b)
  local about = (a[KEY] + 0.0 - b[KEY]) + ((rawget(a, ERA) or 0) - (rawget(b, ERA) or 0)) * 2.0 ^ 64
  if about >= 2.0 ^ 63 then return inside.math.maxinteger elseif about < -2.0 ^ 63 then return inside.math.mininteger end
  return a[KEY] - b[KEY]
end

-- && and || in Lua's own: `keep(a) and b or kept()`. NO stands for false where Lua would go on.
local aside
function T.keep(v)
  if truth(v) then return true end
  aside = v
  return false
end
function T.test(v)
  if truth(v) then
    aside = v
    return true
  end
  return false
end
function T.kept()
  local v = aside
  aside = nil
  return v
end
-- The same where the other side costs nothing to have ready.
function T.either(v, other)
  if FALSY[v] and (v ~= 0 or is_int(v)) or v == EMPTY or v ~= v then return other end
  return v
end
function T.both(v, other)
  if truth(v) then return other end
  return v
end


function T.unmask(v)
  if inside.rawequal(v, NO) then return false end
  return v
end

-- The array that was last made to grow, which has items and is still nobody else's: it need not be asked again.
local held, latest = setmetatable({}, inside.weak), setmetatable({}, { __mode = "v" })

local function is_own(v)
  if type(v) ~= "table" then return false end
  local meta = getmetatable(v)
  return meta == OWN or meta == FREE
end

function T.share(v)
  if is_own(v) then
    held[v] = nil
    setmetatable(v, SHARED)
  end
  return v
end

-- An array of a variable that nothing is assigned to by index; and one that the variable is done with.
function T.loosen(v) return setmetatable(v, FREE) end
function T.settle(v)
  if getmetatable(v) == FREE then setmetatable(v, OWN) end
  return v
end

local function appended(v, n, ...)
  local name = type_name(v)
  if name ~= "array" and name ~= "immutable-array" then
    check_fault(v)
    fail("invalid type for argument 'first' in call to 'builtin-function:append': expected array, found " .. name)
  end
  local from = items_of(v)
  local size = length(from)
  local t = copied(from, 0, size - 1, {}, 0)
  if n == 1 then
    t[size] = (...)
  else
    local more = { ... }
    copied(more, 1, n, t, size)
  end
  return setmetatable(t, OWN)
end

-- x = append(x, v) where nobody else can have the array.
function T.push(t, v)
  if not held[t] then
    if not is_own(t) then return appended(t, 1, v) end
    if latest[1] ~= nil then held[latest[1]] = nil end
    held[t], latest[1] = true, t
  end
  local n = #t
  rawset(t, (n > 0 or rawget(t, 0) ~= nil) and n + 1 or 0, v)
  return t
end

function T.push_all(t, ...)
  if not is_own(t) then return appended(t, select("#", ...), ...) end
  local more, n = { ... }, length(t)
  for i = 1, #more do
    counted()
    rawset(t, n + i - 1, more[i])
  end
  return t
end

-- x = append(x, f()) where f may have made x grow: what is appended to is x as it was before.
function T.count(t) return is_own(t) and length(t) end
function T.push_after(t, n, v, ...)
  if n and length(t) ~= n then t = setmetatable(copied(t, 0, n - 1, {}, 0), OWN) end
  if v == nil then return T.push_all(t) end
  if select("#", ...) == 0 then return T.push(t, v) end
  return T.push_all(t, v, ...)
end

local function rest(...)
  if select("#", ...) == 0 then return setmetatable({}, OWN) end
  return new_array(...)
end

function T.arity(want, ...)
  local got = 0
  for i = 1, select("#", ...) do
    if select(i, ...) ~= nil then got = got + 1 end
  end
  fail("wrong number of arguments: want=" .. want .. ", got=" .. got)
end

function T.few(want, ...)
  local got = 0
  for i = 1, select("#", ...) do
    if select(i, ...) ~= nil then got = got + 1 end
  end
  fail("wrong number of arguments: want>=" .. want .. ", got=" .. got)
end

function T.many(want, variadic, ...)
  local got = select("#", ...)
  if variadic then
    if got < want - 1 then fail("wrong number of arguments: want>=" .. want - 1 .. ", got=" .. got) end
    local t = { ... }
    t[want] = rest(select(want, ...))
    return t
  end
  if got ~= want then fail("wrong number of arguments: want=" .. want .. ", got=" .. got) end
  return { ... }
end

local function array_items(v, what)
  if not is_array(v) then
    check_fault(v)
    fail("not an array: " .. type_name(v))
  end
  local t = items_of(v)
  return t, length(t)
end

function T.spread(v)
  local t, n = array_items(v)
  if n > 100000 then fail("too many arguments") end
  return unpack(t, 0, n - 1)
end

function T.spill(t) return unpack(t, 1, #t) end

-- What a loop goes through: items, the last index, and the keys of a map. What the host gives one by one has
-- items without end, and nil after the last.
function T.sequence(v)
  local kind = type(v)
  if kind == "table" then
    local meta = getmetatable(v)
    local name = meta.type
    if name == "array" or name == "immutable-array" then
      local t = meta.data or v
      return t, length(t) - 1
    elseif name == "map" or name == "immutable-map" then
      local t, keys, n = meta.data or v, {}, 0
      if inside.clocks then                        -- the run must be the same in every state
        keys, n = T.sorted_keys(t)
        return t, n - 1, inside.table.move(keys, 1, n, 0, {})
      end
      for k in next, t do
        keys[n] = k
        n = n + 1
        if n % 1000 == 0 then counted() end
      end
      return t, n - 1, keys
    elseif name == "bytes" then
      local t, s = {}, v[KEY]
      for i = 1, #s do
        counted()
        t[i - 1] = byte(s, i)
      end
      return t, #s - 1
    elseif name == "undefined" then
      return U, -1
    elseif meta.iterate then
      return meta.iterate(v), inside.math.maxinteger - 1
    end
  elseif kind == "string" then
    local list, t = runes_of(v), {}
    for i = 0, (list and list.n or #v) - 1 do
      counted()
      t[i] = chars[list and list[i] or byte(v, i + 1)]
    end
    return t, (list and list.n or #v) - 1
  end
  check_fault(v)
  fail("not iterable: " .. type_name(v))
end

local function bound(v, otherwise)
  if v == nil or v == U then return otherwise end
  if mtype(v) ~= "integer" then fail("invalid slice index type: " .. type_name(v)) end
  return v
end

function T.slice(v, low, high)
  local kind, size, t = type(v), nil, v
  if kind == "string" then size = #v
  elseif is_array(v) then
    t = items_of(v)
    size = length(t)
  elseif kind == "table" and getmetatable(v) == BYTES then size = #v[KEY]
  else not_indexable(v, v) end
  low, high = bound(low, 0), bound(high, size)
  if low > high then fail("invalid slice index: " .. low .. " > " .. high) end
  if low < 0 then low = 0 elseif low > size then low = size end
  if high < 0 then high = 0 elseif high > size then high = size end
  if kind == "string" then return sub(v, low + 1, high) end
  if getmetatable(v) == BYTES then return new_bytes(sub(v[KEY], low + 1, high)) end
  return setmetatable(copied(t, low, high - 1, {}, 0), OWN)
end
T.appended, T.rest, T.held = appended, rest, held

-- Modules of the language, made when a program first imports them.
local modules, names = {}, T.names
function T.standard(name)
  if modules[name] == nil then
    local made = inside.need("tengo_" .. name)
    if name ~= "enum" then                         -- which is written in the language
      made.__module_name__ = name
      for k, f in next, made do
        if type(f) == "function" and not names[f] then names[f] = "user-function:" .. k end
      end
    end
    modules[name] = T.immutable(setmetatable(made, T.MAP))
  end
  return modules[name]
end
return T
