-- The functions of the language itself.

local inside = ...
local T = inside.tengo
local type, select, next, tonumber, tostring, rawget, rawset, setmetatable, getmetatable =
  inside.type, inside.select, inside.next, inside.tonumber, inside.tostring, inside.rawget, inside.rawset,
  inside.setmetatable, inside.raw_metatable
local concat, find, format, gsub, match, counted, look =
  inside.concat, inside.find, inside.format, inside.gsub, inside.match, inside.counted, inside.look
local byte, sub, rep, upper, char = inside.string.byte, inside.string.sub, inside.string.rep, inside.string.upper, inside.string.char
local mtype, utf8code, utf8len = inside.math.type, inside.utf8.codepoint, inside.utf8.len
local U, KEY, OWN, MAP, fail, text, type_name, names, truth = T.U, T.KEY, T.OWN, T.MAP, T.fail, T.text, T.type_name, T.names, T.truth
local length, items_of, is_array, is_map, check_fault = T.length, T.items_of, T.is_array, T.is_map, T.check_fault
local B = {}

local function wrong_count(name) fail("wrong number of arguments in call to '" .. name .. "'") end
local function wrong_type(name, which, wanted, v)
  check_fault(v)
  fail("invalid type for argument '" .. which .. "' in call to '" .. name .. "': expected " .. wanted .. ", found " .. type_name(v))
end
T.wrong_count, T.wrong_type = wrong_count, wrong_type

-- Makes a function known under Tengo's name for its type, and checks how many arguments it gets.
local function known(name, f, least, most)
  local function checked(...)
    local n = select("#", ...)
    if n < least or most and n > most then wrong_count(name) end
    return f(...)
  end
  names[checked] = name
  return checked
end
T.known = known

local function builtin(name, f, least, most) B[name] = known("builtin-function:" .. name, f, least, most) end

local function len(v)
  local kind = type(v)
  if kind == "string" then return #v end
  if kind == "table" then
    local meta = getmetatable(v)
    local name = meta.type
    if name == "array" then
      local n = #v
      if n == 0 and rawget(v, 0) == nil then return 0 end
      return n + 1
    end
    if name == "immutable-array" then return length(meta.data) end
    if name == "map" or name == "immutable-map" then
      local n = 0
      for _ in next, meta.data or v do
        n = n + 1
        if n % 1000 == 0 then counted() end
      end
      return n
    end
    if name == "bytes" then return #v[KEY] end
  end
  wrong_type("builtin-function:len", "first", "array/string/bytes/map", v)
end
local SHARED, STRING = T.SHARED, getmetatable("")
local function len_checked(v, more)
  local meta = getmetatable(v)                     -- what is asked most comes first
  if more == nil and (meta == OWN or meta == SHARED) then
    local n = #v
    if n == 0 and rawget(v, 0) == nil then return 0 end
    return n + 1
  end
  if v == nil or more ~= nil then wrong_count("builtin-function:len") end
  if meta == STRING then return #v end
  return len(v)
end
names[len_checked] = "builtin-function:len"
B.len = len_checked

-- nil where it is too deep: raised up there, an error would not find the line of the program.
local function copy(v, depth)
  if depth > 1000 then return nil end
  if is_array(v) then
    local from, to = items_of(v), {}
    for i = 0, length(from) - 1 do
      counted()
      to[i] = copy(from[i], depth + 1)
      if to[i] == nil then return nil end
    end
    return setmetatable(to, OWN)
  elseif is_map(v) then
    local to = {}
    for k, item in next, items_of(v) do
      counted()
      to[k] = copy(item, depth + 1)
      if to[k] == nil then return nil end
    end
    return setmetatable(to, MAP)
  end
  local name = type_name(v)
  if name == "bytes" then return T.new_bytes(v[KEY]) end
  if name == "error" and not rawget(v, T.FAULT) then
    local held = copy(v[KEY], depth + 1)
    return held ~= nil and T.error(held, v[T.PLACE]) or nil
  end
  return v
end
builtin("copy", function(v)
  local made = copy(v, 0)
  if made == nil then fail("a value is nested too deep to be copied") end
  return made
end, 1, 1)

builtin("append", function(v, ...) return T.appended(v, select("#", ...), ...) end, 2)

builtin("delete", function(m, k)
  local name = "builtin-function:delete"
  if type_name(m) ~= "map" then wrong_type(name, "first", "map", m) end
  if type(k) ~= "string" then wrong_type(name, "second", "string", k) end
  rawset(m, k, nil)
  return U
end, 2, 2)

builtin("splice", function(t, start, count, ...)
  local name = "builtin-function:splice"
  if type_name(t) ~= "array" then wrong_type(name, "first", "array", t) end
  local size = length(t)
  if start == nil then start = 0 end
  if mtype(start) ~= "integer" then wrong_type(name, "second", "int", start) end
  if start < 0 or start > size then fail("index out of bounds") end
  if count == nil then count = size - start end
  if mtype(count) ~= "integer" then wrong_type(name, "third", "int", count) end
  if count < 0 then fail("index out of bounds") end
  if count > size - start then count = size - start end
  local removed = T.copied(t, start, start + count - 1, {}, 0)
  local more, n = { ... }, select("#", ...)
  local after = T.copied(t, start + count, size - 1, {}, 0)
  for i = 1, n do rawset(t, start + i - 1, more[i]) end
  for i = 0, size - start - count - 1 do
    counted()
    rawset(t, start + n + i, after[i])
  end
  for i = size - 1, size + n - count, -1 do
    counted()
    rawset(t, i, nil)
  end
  return setmetatable(removed, OWN)
end, 1)

builtin("range", function(start, stop, step)
  local name = "builtin-function:range"
  for i, v in next, { start, stop, step } do
    if mtype(v) ~= "integer" then wrong_type(name, i == 1 and "start" or i == 2 and "stop" or "step", "int", v) end
  end
  step = step or 1
  if step <= 0 then fail("range step must be greater than 0") end
  local t, n = {}, 0
  for i = start, stop, start <= stop and step or -step do
    if i ~= stop then
      counted()
      t[n], n = i, n + 1
    end
  end
  return setmetatable(t, OWN)
end, 2, 3)

-- Conversions: what does not fit gives undefined, or the second argument.
local RANGE = "value out of range"
local function parse_int(s, base)
  local sign, digits = match(s, "^([+-]?)([0-9a-zA-Z]+)$")
  if not digits then return nil end
  if #digits > 70 then return nil, RANGE end
  local value = 0
  for i = 1, #digits do
    local d = tonumber(sub(digits, i, i), 36)
    if d >= base then return nil end
    if value > (0x7FFFFFFFFFFFFFFF - d) // base then
      -- The smallest integer has no positive one.
      if sign == "-" and value * base + d == inside.math.mininteger and i == #digits then return inside.math.mininteger end
      return nil, RANGE
    end
    value = value * base + d
  end
  return sign == "-" and -value or value
end
T.parse_int = parse_int

local function parse_float(s)
  local body = gsub(s, "^[+-]", "")
  if find(body, "_", 1, true) then                 -- between digits, and behind 0x
    local digits = gsub(body, "^0[xX]_", "0x")
    if find(digits, "^_") or find(digits, "_$") or find(digits, "[^%x]_") or find(digits, "_[^%x]") then return nil end
    body = gsub(digits, "_", "")
  end
  if find(body, "^%.?%d[%d.]*$") or find(body, "^%.?%d[%d.]*[eE][+-]?%d+$") or find(body, "^0[xX][%x.]+[pP][+-]?%d+$") then
    local v = tonumber(body)
    if not v then return nil end
    v = sub(s, 1, 1) == "-" and -(v + 0.0) or v + 0.0
    if v == 1 / 0 or v == -1 / 0 then return nil, RANGE end
    return v
  end
  body = inside.string.lower(body)
  if body == "inf" or body == "infinity" then return sub(s, 1, 1) == "-" and -1 / 0 or 1 / 0 end
  if inside.string.lower(s) == "nan" then return 0 / 0 end
end
-- Rounded to 32 bits.
function T.single(v) return (inside.string.unpack("<f", inside.string.pack("<f", v))) end
T.parse_float = parse_float

local function to_int(v)
  local kind = type_name(v)
  if kind == "int" then return v end
  if kind == "float" then
    if v ~= v or v >= 2.0 ^ 63 or v < -2.0 ^ 63 then return inside.math.mininteger end
    return v >= 0 and inside.math.floor(v) or -inside.math.floor(-v)
  end
  if kind == "char" then return v[KEY] end
  if kind == "bool" then return v and 1 or 0 end
  if kind == "string" then return parse_int(v, 10) end
end

local function to_float(v)
  if type(v) == "number" then return mtype(v) == "float" and v or v + 0.0 end
  if type(v) == "string" then return (parse_float(v)) end
end

local function to_string(v)
  if v ~= U then return T.limited(text(v)) end
end

local function to_bytes(v)
  if type(v) == "string" then return T.new_bytes(v) end
  if type(v) == "table" and getmetatable(v) == T.BYTES then return v end
end
T.to_int, T.to_float, T.to_string, T.to_bytes = to_int, to_float, to_string, to_bytes

local function conversion(name, convert)
  builtin(name, function(v, otherwise)
    local made = convert(v)
    if made ~= nil then return made end
    if otherwise ~= nil then return otherwise end
    return U
  end, 1, 2)
end
conversion("int", to_int)
conversion("float", to_float)
conversion("string", to_string)
conversion("char", function(v)
  if mtype(v) == "integer" then return T.new_char(v) end
  if type_name(v) == "char" then return v end
end)
conversion("time", function(v)
  if type_name(v) == "time" then return v end
  if mtype(v) == "integer" then return T.time_at(v, 0) end
end)
conversion("bytes", function(v)
  if mtype(v) == "integer" then
    if v < 0 then fail("negative size") end
    if v > T.max_string or v > 1 << 30 then fail("exceeding bytes size limit") end
    if v > 1024 then look() end
    return T.new_bytes(rep("\0", v))
  end
  return to_bytes(v)
end)
builtin("bool", function(v) return truth(v) end, 1, 1)
builtin("type_name", type_name, 1, 1)

local function is(name, test) builtin("is_" .. name, test, 1, 1) end
for _, name in next, { "int", "float", "string", "bool", "char", "bytes", "time", "error", "undefined" } do
  is(name, function(v) return type_name(v) == name end)
end
is("array", function(v) return type_name(v) == "array" end)
is("map", function(v) return type_name(v) == "map" end)
is("immutable_array", function(v) return type_name(v) == "immutable-array" end)
is("immutable_map", function(v) return type_name(v) == "immutable-map" end)
is("iterable", function(v)
  return type(v) == "string" or is_array(v) or is_map(v) or v == U or type_name(v) == "bytes"
end)
is("function", function(v) return type(v) == "function" and not names[v] end)
is("callable", function(v) return type(v) == "function" end)

builtin("format", function(pattern, ...)
  if type(pattern) ~= "string" then wrong_type("builtin-function:format", "format", "string", pattern) end
  return T.formatted(pattern, ...)
end, 1)

for name, f in next, B do T["b_" .. name] = f end
return T
