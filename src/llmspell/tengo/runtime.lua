-- What compiled Tengo needs at run time: the types, their operators, and the checks that Lua has not.
--
-- ints, floats, bools, strings and functions are Lua's own. The rest are tables that their metatable
-- tells apart; its field `type` is Tengo's name for it:
--   array       items from 0 on; OWN while only one variable can know it, else SHARED; FREE is an OWN one whose
--               variable nothing is assigned to by index: new items are put in like those of any table
--   map         the keys are strings
--   immutable-  an empty table before the one with the items, so that every assignment is noticed
--   char, bytes, time, error      the value under KEY, which no program has; chars of one code are one table;
--               an error has also where it was made, under PLACE; a time its ZONE, if that is not UTC, and its ERA of 64 bits
--   undefined   one table, U; nil is no value of Tengo
-- What an operator cannot do with numbers Lua looks for in the metatables, which every type has.

local inside = ...
local type, next, select, rawget, rawset, rawequal, setmetatable, getmetatable, error, tostring, tonumber =
  inside.type, inside.next, inside.select, inside.rawget, inside.rawset, inside.rawequal,
  inside.setmetatable, inside.raw_metatable, inside.error, inside.tostring, inside.tonumber
local concat, find, gsub, format, unpack, counted, look =
  inside.concat, inside.find, inside.gsub, inside.format, inside.unpack, inside.counted, inside.look
local byte, sub, char, rep = inside.string.byte, inside.string.sub, inside.string.char, inside.string.rep
local mtype, floor, move = inside.math.type, inside.math.floor, inside.table.move
local utf8char, utf8code, utf8len = inside.utf8.char, inside.utf8.codepoint, inside.utf8.len

local T = { max_string = 2147483647 }
inside.tengo = T
local KEY, FAULT, PLACE, ZONE, ERA = {}, {}, {}, {}, {}
local FREE = { type = "array" }
local OWN, SHARED, MAP, CHAR, BYTES, TIME, ERROR, UNDEFINED =
  { type = "array" }, { type = "array" }, { type = "map" }, { type = "char" }, { type = "bytes" },
  { type = "time" }, { type = "error" }, { type = "undefined" }
local U = setmetatable({}, UNDEFINED)
local names = setmetatable({}, inside.weak)        -- function -> its type's name, for those not compiled

local function fail(message) error(message, 0) end

local function type_name(v)
  local kind = type(v)
  if kind == "number" then return mtype(v) == "integer" and "int" or "float" end
  if kind == "boolean" then return "bool" end
  if kind == "table" then return getmetatable(v).type end
  if kind == "function" then return names[v] or "compiled-function" end
  return kind
end

-- The failure of a capability that is used as if it was a value ends the run with its own error.
local function check_fault(v)
  local fault = type(v) == "table" and rawget(v, FAULT)
  if fault then error(fault, 0) end
end

local function invalid(a, op, b)
  check_fault(a)
  check_fault(b)
  fail("invalid operation: " .. type_name(a) .. " " .. op .. " " .. type_name(b))
end

-- Chars, bytes, times, errors. ------------------------------------------------------------------

local chars = setmetatable({}, {
  __mode = "v",
  __index = function(t, code)
    local v = setmetatable({ [KEY] = code }, CHAR)
    t[code] = v
    return v
  end,
})

local function new_char(code)
  code = code & 0xFFFFFFFF
  if code >= 0x80000000 then code = code - 0x100000000 end
  return chars[code]
end

local function char_text(code)
  if code < 0 or code > 0x10FFFF or code >= 0xD800 and code < 0xE000 then return "\xEF\xBF\xBD" end
  return utf8char(code)
end

local function new_bytes(s) return setmetatable({ [KEY] = s }, BYTES) end
-- In the zone of another time, if there is one. What a zone is ahead of UTC depends on the moment, but for a fixed one.
local function new_time(ns, of, era)
  local zone = of and rawget(of, ZONE)
  return setmetatable({ [KEY] = ns, [ZONE] = zone and (zone.fixed and zone or { name = zone.name }), [ERA] = era ~= 0 and era or nil }, TIME)
end
local function new_error(v, place) return setmetatable({ [KEY] = v, [PLACE] = place }, ERROR) end
local function new_array(...) 
  local t = { select(2, ...) }
  t[0] = (...)
  return setmetatable(t, OWN)
end

-- Unwraps what cannot be changed.
local function items_of(v)
  local meta = getmetatable(v)
  return meta.data or v
end

local function length(t)
  local n = #t
  if n == 0 and rawget(t, 0) == nil then return 0 end
  return n + 1
end

local function is_array(v)
  if type(v) ~= "table" then return false end
  local name = getmetatable(v).type
  return name == "array" or name == "immutable-array"
end

local function is_map(v)
  if type(v) ~= "table" then return false end
  local name = getmetatable(v).type
  return name == "map" or name == "immutable-map"
end

-- Moving many items is one call of C: in pieces, with a step for each.
local function copied(from, first, last, to, at)
  if last - first < 1000 then return move(from, first, last, at, to) end
  for i = first, last, 1000 do
    counted()
    move(from, i, i + 999 < last and i + 999 or last, at + i - first, to)
  end
  look()
  return to
end

-- Text. -------------------------------------------------------------------------------------------

-- "1.5e-07" without exponent.
local function plain(s)
  local sign, whole, rest, power = inside.match(s, "^(-?)(%d+)%.?(%d*)[eE]?([-+]?%d*)$")
  if power == "" then return s end
  local digits, places = whole .. rest, #whole + tonumber(power)
  if places <= 0 then return sign .. "0." .. rep("0", -places) .. digits end
  if places >= #digits then return sign .. digits .. rep("0", places - #digits) end
  return sign .. sub(digits, 1, places) .. "." .. sub(digits, places + 1)
end

-- Shortest text that reads back as the same float, without exponent.
local function float_text(v)
  if v ~= v then return "NaN" end
  if v == 1 / 0 then return "+Inf" elseif v == -1 / 0 then return "-Inf" end
  for digits = 15, 17 do
    local text = format("%." .. digits .. "g", v)
    if tonumber(text) == v then return plain(text) end
  end
end

local ESCAPES = { ["\a"] = "\\a", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
  ["\v"] = "\\v", ['"'] = '\\"', ["\\"] = "\\\\" }
local function escape(c) return ESCAPES[c] or format("\\x%02x", byte(c)) end

local function quote(s)
  if #s > 1024 then look() end
  if find(s, "[\128-\255]") then return inside.need("tengo_quote").quote(s, '"') end
  return '"' .. gsub(s, '[%c"\\\127]', escape) .. '"'
end

local text
local function write(v, out, depth, quoted)
  local kind = type(v)
  if kind == "string" then
    out[#out + 1] = quoted and quote(v) or v
  elseif kind == "number" then
    out[#out + 1] = mtype(v) == "integer" and format("%d", v) or float_text(v)
  elseif kind == "boolean" then
    out[#out + 1] = v and "true" or "false"
  elseif kind == "function" then
    out[#out + 1] = names[v] and "<" .. gsub(names[v], ":.*", "") .. ">" or "<compiled-function>"
  else
    counted()
    local meta = getmetatable(v)
    local name = meta.type
    if depth > 150 then fail("a value is nested too deep to be shown") end
    if name == "array" or name == "immutable-array" then
      local t = items_of(v)
      out[#out + 1] = "["
      for i = 0, length(t) - 1 do
        counted()
        if i > 0 then out[#out + 1] = ", " end
        write(t[i], out, depth + 1, true)
      end
      out[#out + 1] = "]"
    elseif name == "map" or name == "immutable-map" then
      local t = items_of(v)
      local keys, n = T.sorted_keys(t)
      out[#out + 1] = "{"
      for i = 1, n do
        out[#out + 1] = (i > 1 and ", " or "") .. keys[i] .. ": "
        write(t[keys[i]], out, depth + 1, true)
      end
      out[#out + 1] = "}"
    elseif name == "char" then out[#out + 1] = char_text(v[KEY])
    elseif name == "bytes" then out[#out + 1] = v[KEY]
    elseif name == "error" then
      out[#out + 1] = "error: "
      write(v[KEY], out, depth + 1, true)
    elseif name == "time" then out[#out + 1] = T.time_text(v)
    elseif name == "undefined" then out[#out + 1] = "<undefined>"
    else out[#out + 1] = meta.show and meta.show(v) or "<" .. name .. ">" end
  end
end

function text(v)
  if type(v) == "string" then return v end
  local out = {}
  write(v, out, 0, false)
  return concat(out)
end

local function limited(s)
  if #s > T.max_string then fail("exceeding string size limit") end
  return s
end

local function key_of(k)
  if k == U then fail("invalid index type: undefined") end
  return text(k)
end

-- Truth and equality. -----------------------------------------------------------------------------

local function truth(v)
  local kind = type(v)
  if kind == "boolean" then return v end
  if kind == "number" then
    if mtype(v) == "integer" then return v ~= 0 end
    return v == v
  end
  if kind == "string" then return v ~= "" end
  if kind == "table" then
    local meta = getmetatable(v)
    local name = meta.type
    if name == "array" or name == "immutable-array" then return rawget(meta.data or v, 0) ~= nil end
    if name == "map" or name == "immutable-map" then return next(meta.data or v) ~= nil end
    if name == "char" then return v[KEY] ~= 0 end
    if name == "bytes" then return v[KEY] ~= "" end
    if name == "time" then return not T.is_zero(v) end
    return name ~= "error" and name ~= "undefined"
  end
  return true
end

local equal
local function equal_items(a, b)
  local n = length(a)
  if n ~= length(b) then return false end
  for i = 0, n - 1 do
    counted()
    if not equal(a[i], b[i]) then return false end
  end
  return true
end

local function equal_maps(a, b)
  for k, v in next, a do
    counted()
    local w = rawget(b, k)
    if w == nil or not equal(v, w) then return false end
  end
  for k in next, b do
    counted()
    if rawget(a, k) == nil then return false end
  end
  return true
end

-- What is taken for false: a look into FALSY says so of all that is no table, but for 0.0, which is true; what is one
-- is asked by comparing it with EMPTY. So hardly ever a function is called for numbers.
local FALSY = { [false] = true, [0] = true, [""] = true, [U] = true }
local EMPTY = setmetatable({}, { type = "empty", __eq = function(v) return not truth(v) end })

local FAMILY = { array = "a", ["immutable-array"] = "a", map = "m", ["immutable-map"] = "m", bytes = "b", time = "t" }
local depth = 0
function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" or rawequal(a, b) then return a == b end
  local x, y = getmetatable(a), getmetatable(b)
  local family = FAMILY[x.type]
  if not family or family ~= FAMILY[y.type] then return rawequal(b, EMPTY) and not truth(a) end
  if family == "b" or family == "t" then return a[KEY] == b[KEY] and rawget(a, ERA) == rawget(b, ERA) end
  depth = depth + 1
  if depth > 10000 then
    depth = 0
    fail("stack overflow")
  end
  local same = (family == "a" and equal_items or equal_maps)(x.data or a, y.data or b)
  depth = depth - 1
  return same
end

-- Operators where Lua's own do not do. ------------------------------------------------------------

local function add(a, b)
  if type(a) == "string" then return limited(a .. (type(b) == "string" and b or text(b))) end
  local x, y = type_name(a), type_name(b)
  if x == "char" then
    if y == "char" then return new_char(a[KEY] + b[KEY]) elseif y == "int" then return new_char(a[KEY] + b) end
  elseif x == "int" then
    if y == "char" then return new_char(a + b[KEY]) end
  elseif x == "array" or x == "immutable-array" then
    if y == x then
      a, b = items_of(a), items_of(b)
      local n, m = length(a), length(b)
      local t = copied(a, 0, n - 1, {}, 0)
      return setmetatable(copied(b, 0, m - 1, t, n), OWN)
    end
  elseif x == "bytes" then
    if y == "bytes" then return new_bytes(a[KEY] .. b[KEY]) end
  elseif x == "time" and y == "int" then
    return T.later(a, b)
  end
  invalid(a, "+", b)
end

local function subtract(a, b)
  local x, y = type_name(a), type_name(b)
  if x == "char" then
    if y == "char" then return new_char(a[KEY] - b[KEY]) elseif y == "int" then return new_char(a[KEY] - b) end
  elseif x == "int" then
    if y == "char" then return new_char(a - b[KEY]) end
  elseif x == "time" then
    if y == "int" then return T.later(a, -b) elseif y == "time" then return T.apart(a, b) end
  end
  invalid(a, "-", b)
end

-- The numbers to compare, of chars and times.
local function ordered(a, op, b)
  local x, y = type_name(a), type_name(b)
  if x == "char" and (y == "char" or y == "int") then return a[KEY], y == "int" and b or b[KEY] end
  if x == "int" and y == "char" then return a, b[KEY] end
  if x == "time" and y == "time" then
    local from, to = rawget(a, ERA) or 0, rawget(b, ERA) or 0
    if from ~= to then return from, to end
    return a[KEY], b[KEY]
  end
  T.unordered(a, op, b)
end

local function failing(op) return function(a, b) invalid(a, op, b) end end
local function failing_alone(op)
  return function(a)
    check_fault(a)
    fail("invalid operation: " .. op .. type_name(a))
  end
end

local function not_callable(v)
  check_fault(v)
  fail("not callable: " .. type_name(v))
end
local function not_indexable(v, k)                 -- Tengo tells the type of the index
  check_fault(v)
  fail("not indexable: " .. type_name(k))
end
local function not_assignable(v)
  check_fault(v)
  fail("not index-assignable: " .. type_name(v))
end

local COMMON = {
  __add = add, __sub = subtract, __mul = failing("*"), __div = failing("/"), __mod = failing("%"), __idiv = failing("/"),
  __band = failing("&"), __bor = failing("|"), __bxor = failing("^"), __shl = failing("<<"), __shr = failing(">>"),
  __unm = failing_alone("-"), __bnot = failing_alone("^"), __call = not_callable, __index = not_indexable,
  __newindex = not_assignable, __pow = false, __concat = false,
  __lt = function(a, b)
    local x, y = ordered(a, "<", b)
    return x < y
  end,
  __le = function(a, b)
    local x, y = ordered(a, "<=", b)
    return x <= y
  end,
}
COMMON.__pow, COMMON.__concat = nil, function(a, b) return add(text(a), b) end

local function with_operators(meta)
  for k, v in next, COMMON do
    if meta[k] == nil then meta[k] = v end
  end
  return meta
end

local function array_get(t, k)
  if mtype(k) == "integer" then return U end
  check_fault(k)
  fail("invalid index type: " .. type_name(k))
end

-- What is no int is taken for one where int(k) does.
local function array_set(t, k, v)
  check_fault(k)
  local i = T.to_int(k)
  if not i then fail("invalid index type") end
  if rawget(t, i) == nil then fail("index out of bounds") end
  rawset(t, i, v)
end

local function map_get(t, k)
  if type(k) == "string" then return U end
  local v = rawget(t, key_of(k))
  if v == nil then return U end
  return v
end

local function map_set(t, k, v)
  if type(k) ~= "string" then k = k ~= U and text(k) or fail("invalid index type") end
  rawset(t, k, v)
end

-- What is not in an array is looked for in a table first: so a look at GROWS tells, without a call, whether an array
-- may grow in place.
local GROWS = {}
for _, meta in next, { OWN, SHARED, FREE } do
  meta.__index = setmetatable({ [GROWS] = meta ~= SHARED }, { __index = array_get })
  meta.__newindex, meta.__eq = array_set, equal
end
MAP.__index, MAP.__newindex, MAP.__eq = map_get, map_set, equal
BYTES.__eq, TIME.__eq = equal, equal
function BYTES.__index(t, k)
  if mtype(k) ~= "integer" then fail("invalid index type: " .. type_name(k)) end
  return k >= 0 and byte(t[KEY], k + 1) or U
end
function ERROR.__index(t, k)
  if k == "value" then return t[KEY] end
  check_fault(t)
  fail("invalid index on error")
end
function UNDEFINED.__index() return U end
for _, meta in next, { OWN, SHARED, FREE, MAP, CHAR, BYTES, TIME, ERROR, UNDEFINED } do with_operators(meta) end
FREE.__newindex = nil

local function immutable(v)
  if type(v) ~= "table" then return v end
  local name = getmetatable(v).type
  if name ~= "array" and name ~= "map" then return v end
  return setmetatable({}, with_operators({ type = "immutable-" .. name, data = v, __index = v, __eq = equal }))
end

-- Strings are indexed by rune; the runes of the last one are kept.
local last, runes
local function runes_of(s)
  if s ~= last then
    last, runes = s, false
    if #s > 1024 then look() end
    if find(s, "[\128-\255]") then
      runes = {}
      local i, n, size = 1, 0, #s
      while i <= size do
        counted()
        local c = byte(s, i)
        local width = c < 128 and 1 or c < 0xE0 and 2 or c < 0xF0 and 3 or 4
        if c >= 0xC2 and utf8len(s, i, i) == 1 then
          runes[n] = utf8code(s, i)
        elseif c < 128 then
          runes[n] = c
        else
          runes[n], width = 0xFFFD, 1
        end
        i, n = i + width, n + 1
      end
      runes.n = n
    end
  end
  return runes
end

local function string_get(s, k)
  if mtype(k) ~= "integer" then fail("invalid index type: " .. type_name(k)) end
  if k < 0 then return U end
  local list = (s == last and runes) or runes_of(s)
  local code
  if list then code = list[k] else code = byte(s, k + 1) end
  return code and chars[code] or U
end

local set_metatable = inside.set_metatable
local STRING = getmetatable("")
for k, v in next, COMMON do STRING[k] = v end
STRING.__index, STRING.__concat = string_get, nil
set_metatable(0, with_operators({}))
set_metatable(true, with_operators({}))
set_metatable(fail, with_operators({ __call = false }))
getmetatable(fail).__call = nil

for k, v in next, {
  U = U, NO = {}, FALSY = FALSY, EMPTY = EMPTY, GROWS = GROWS, FREE = FREE, rawset = rawset, OWN = OWN, SHARED = SHARED, MAP = MAP, KEY = KEY, FAULT = FAULT, PLACE = PLACE, ZONE = ZONE, ERA = ERA, chars = chars, set = setmetatable, truth = truth,
  immutable = immutable, error = new_error, invalid = invalid, not_indexable = not_indexable, equal = equal, text = text, quote = quote, float_text = float_text, plain = plain,
  type_name = type_name, names = names, fail = fail, limited = limited, length = length, items_of = items_of, is_array = is_array,
  is_map = is_map, copied = copied, new_char = new_char, new_bytes = new_bytes, new_time = new_time,
  new_array = new_array, char_text = char_text, check_fault = check_fault, runes_of = runes_of, key_of = key_of,
  with_operators = with_operators, ERROR = ERROR, BYTES = BYTES, TIME = TIME, CHAR = CHAR, is_int = function(v) return mtype(v) == "integer" end,
} do T[k] = v end

function T.time_text(v, layout)
  inside.need("tengo_times")                       -- puts its own in the place of this
  return T.time_text(v, layout)
end
return T
