-- The libraries table, math, utf8, os and debug, as far as a spell has them. Calls of C cannot be
-- interrupted, so what would take long is done in pieces.

local inside = ...
local table, math, utf8, os, copy, look, LONG, bad, show, guarded, unguarded, checked, counted,
  traceback, select, type, next, rawlen, unpack, pcall, tonumber, gsub, raw_metatable,
  getinfo =
  inside.table, inside.math, inside.utf8, inside.os, inside.copy, inside.look, inside.LONG,
  inside.bad, inside.show, inside.guarded, inside.unguarded, inside.checked, inside.counted,
  inside.traceback, inside.select, inside.type, inside.next, inside.rawlen, inside.unpack,
  inside.pcall, inside.tonumber, inside.gsub, inside.raw_metatable,
  inside.getinfo
local floor, insert, remove, concat, sort, move =
  math.floor, table.insert, table.remove, table.concat, table.sort, table.move

local MAX_RANGE = 1e7
local PIECE = 100000                               -- items one call of C may take on: a few ms
local META = math.type ~= nil                      -- 5.4 and up ask metamethods and want whole numbers

-- How many items there are from one place to another, and the places; 0 where C complains at once.
local function span(name, from, to)
  from, to = tonumber(from), tonumber(to)
  if not from or not to or META and (from % 1 ~= 0 or to % 1 ~= 0) then return 0 end
  local count = to * 1.0 - from + 1
  if count - 1 > MAX_RANGE then bad(name .. ": the range is too large", 3) end
  if count > LONG then look() end
  return count, floor(from), floor(to)
end

-- The length C will see, asked for where nothing can wait, as C asks.
local function length(name, t)
  if type(t) ~= "table" then return 0 end
  if not META or not raw_metatable(t) then return rawlen(t) end
  local size
  unguarded(guarded(name, gsub, "a", "a", function() size = #t end))
  return tonumber(size) or 0
end

-- Items of a table whose items are read and written by functions: each piece is smaller.
local function piece_of(t) return META and type(t) == "table" and raw_metatable(t) and 1000 or PIECE end

local function moved(a, from, to, at, b)
  local piece = piece_of(a)
  if b and piece_of(b) < piece then piece = piece_of(b) end
  if at > to or at <= from or b and b ~= a then
    for i = from, to, piece do
      counted()
      look()
      local last = i + piece - 1 < to and i + piece - 1 or to
      move(a, i, last, at + (i - from), b or a)
    end
  else
    local last = to
    while last >= from do
      counted()
      look()
      local first = last - piece + 1 > from and last - piece + 1 or from
      move(a, first, last, at + (first - from), b or a)
      last = first - 1
    end
  end
end

local tables = {}
function tables.move(a, from, to, at, b)
  local count, first, last = span("table.move", from, to)
  local goal = tonumber(at)
  if count > 1000 and type(a) == "table" and (b == nil or type(b) == "table") and goal and goal % 1 == 0
      and goal + count < 2 ^ 53 and goal > -2 ^ 53 and first > -2 ^ 53 and last < 2 ^ 53 then
    moved(a, first, last, floor(goal), b)
    return b or a
  end
  if b == nil then return move(a, from, to, at) end
  return move(a, from, to, at, b)
end

function tables.insert(t, ...)
  if select("#", ...) == 2 then
    local at, v = ...
    local count, first, last = span("table.insert", at, length("table.insert", t))
    if count > 1000 and (first >= 1 or not META) then
      moved(t, first, last, first + 1)
      t[first] = v
      return
    end
  end
  return insert(t, ...)
end

function tables.remove(t, at, ...)
  if at == nil then return remove(t) end
  if select("#", ...) == 0 then
    local count, first, last = span("table.remove", at, length("table.remove", t))
    if count > 1000 and first >= 1 then
      local v = t[first]
      moved(t, first + 1, last, first)
      t[last] = nil
      return v
    end
  end
  return remove(t, at, ...)
end

function tables.concat(t, separator, i, j)
  if i == nil and j == nil and type(t) == "table" and not raw_metatable(t) and #t < LONG then
    return concat(t, separator)
  end
  local count, first, last = span("table.concat", i or 1, j or length("table.concat", t))
  local piece = piece_of(t)
  if count <= piece then return concat(t, separator, i, j) end
  local parts = {}
  for from = first, last, piece do
    counted()
    look()
    local to = from + piece - 1 < last and from + piece - 1 or last
    local ok, text = checked(pcall(concat, t, separator, from, to))
    if not ok then
      if META then unguarded(false, text) end
      bad(text, 2)
    end
    parts[#parts + 1] = text
  end
  return concat(parts, separator)
end

-- Items that are read by functions or through other tables are read one by one.
function tables.unpack(t, i, j)
  if type(t) == "table" and raw_metatable(t) then
    local count, first, last = span("table.unpack", i or 1, j or length("table.unpack", t))
    if count > 1000 and count < 1e6 then
      local items = {}
      for at = first, last do
        counted()
        items[at - first + 1] = t[at]
      end
      return unpack(items, 1, last - first + 1)
    end
  end
  return unpack(t, i, j)
end
tables.pack = table.pack or function(...) return { n = select("#", ...), ... } end
tables.getn = function(t) return #t end
tables.maxn = function(t)
  local most = 0
  for k in next, t do
    counted()
    if type(k) == "number" and k > most then most = k end
  end
  return most
end

-- Sorting. ---------------------------------------------------------------------------------------

-- How many items C may sort at once: fewer where comparing two of them takes long.
local function block_of(t, size)
  local longest = 0
  for i = 1, size < PIECE and size or PIECE do
    local v = t[i]
    if type(v) == "string" and #v > longest then longest = #v end
  end
  if size > PIECE then
    for i = PIECE + 1, size do
      counted()
      local v = t[i]
      if type(v) == "string" and #v > longest then longest = #v end
    end
  end
  if longest < 100 then return 30000 end
  return longest < 100000 and floor(1e6 / longest) or 1
end

-- Merges two neighbouring sorted runs. At an error every item is still there.
local function merge(t, low, middle, high, less, heavy)
  if heavy then look() end
  local left, count = {}, middle - low + 1
  moved(t, low, middle, 1, left)
  local i, j, k = 1, middle + 1, low
  local a, b
  local function some()
    local stop = heavy and k or k + 256
    while i <= count and j <= high and k <= stop do
      counted()
      a, b = left[i], t[j]
      local first
      if less then first = less(b, a) else first = b < a end
      if first then t[k], j = b, j + 1 else t[k], i = a, i + 1 end
      k = k + 1
    end
  end
  while i <= count and j <= high do
    counted()
    if heavy then look() end
    local ok, e = guarded("table.sort", gsub, "a", "a", some)
    if not ok then
      for n = i, count do t[k + n - i] = left[n] end
      if type(e) == "string" and not less then e = gsub(e, "^[^ :]*:[^ :]*: (attempt to compare )", "%1") end
      unguarded(false, e)
    end
  end
  moved(left, i, count, k, t)
end

local function sorted(t, size, less, block)
  for low = 1, size, block do
    counted()
    look()
    local high = low + block - 1 < size and low + block - 1 or size
    local part = {}
    if block > 1 then
      for i = low, high do part[i - low + 1] = t[i] end
      unguarded(guarded("table.sort", sort, part, less))
      for i = low, high do t[i] = part[i - low + 1] end
    end
  end
  local width = block
  while width < size do
    for low = 1, size - width, 2 * width do
      local high = low + 2 * width - 1 < size and low + 2 * width - 1 or size
      merge(t, low, low + width - 1, high, less, block < 100)
    end
    width = width * 2
  end
end

-- A built-in as a comparison passes no safepoint of its own.
local function watched(f)
  local info = getinfo(f, "S")
  if info.what ~= "C" and info.short_src ~= "?" and info.short_src ~= "prelude" then return f end
  return function(...)
    counted()
    return f(...)
  end
end

local unseen = 0
function tables.sort(t, less)
  if type(t) == "table" and (less == nil or type(less) == "function") then
    if less then less = watched(less) end
    local meta = META and raw_metatable(t)
    local size = meta and length("table.sort", t) or rawlen(t)
    unseen = unseen + size
    if meta and size > 1000 or not meta and size > 1 then
      if meta and size > MAX_RANGE then bad("table.sort: the range is too large", 2) end
      local block = less and 2000 or 30000       -- a comparison in a call of C cannot give way
      if meta then block = 100
      elseif not less and (size > block or type(t[1]) ~= "number") then block = block_of(t, size) end
      if size > block then return sorted(t, size, less, block) end
    end
  end
  if unseen > 1000 then
    unseen = 0
    look()
  end
  unguarded(guarded("table.sort", sort, t, less))
end

local function check(v, wanted, i, name)
  if type(v) ~= wanted then bad("bad argument #" .. i .. " to '" .. name .. "' (" .. wanted .. " expected, got " .. type(v) .. ")", 3) end
end

function tables.foreach(t, f)
  check(t, "table", 1, "foreach")
  check(f, "function", 2, "foreach")
  for k, v in next, t do
    counted()
    local found = f(k, v)
    if found ~= nil then return found end
  end
end

function tables.foreachi(t, f)
  check(t, "table", 1, "foreachi")
  check(f, "function", 2, "foreachi")
  for i = 1, #t do
    counted()
    local found = f(i, t[i])
    if found ~= nil then return found end
  end
end

-- What 5.1 has and later versions do not, and the other way round.
local maths = {}
for k, v in next, math do maths[k] = v end

local function number(v, i, name)
  local n = tonumber(v)
  if not n then bad("bad argument #" .. i .. " to '" .. name .. "' (number expected, got " .. type(v) .. ")", 3) end
  return n * 1.0
end

local function sinh(x)
  if x > -0.1 and x < 0.1 then                     -- a difference would lose digits
    local s = x * x
    return x * (1 + s / 6 * (1 + s / 20 * (1 + s / 42 * (1 + s / 72))))
  end
  return math.exp(x) / 2 - math.exp(-x) / 2
end

local function cosh(x) return math.exp(x) / 2 + math.exp(-x) / 2 end

local older = {
  mod = math.fmod,
  log10 = function(x) return math.log(number(x, 1, "log10"), 10) end,
  atan2 = function(y, x) return math.atan(number(y, 1, "atan2"), number(x, 2, "atan2")) end,
  sinh = function(x) return sinh(number(x, 1, "sinh")) end,
  cosh = function(x) return cosh(number(x, 1, "cosh")) end,
  tanh = function(x)
    x = number(x, 1, "tanh")
    if x > 20 then return 1.0 elseif x < -20 then return -1.0 end
    return sinh(x) / cosh(x)
  end,
  ldexp = function(m, e)
    m, e = number(m, 1, "ldexp"), floor(number(e, 2, "ldexp"))
    if e > 2200 then e = 2200 elseif e < -2200 then e = -2200 end
    local third = floor(e / 3)                     -- 2 ^ e alone may be too large
    return m * 2.0 ^ third * 2.0 ^ third * 2.0 ^ (e - 2 * third)
  end,
  frexp = function(x)
    x = number(x, 1, "frexp")
    if x == 0 or x ~= x or x == math.huge or x == -math.huge then return x, 0 end
    local e = 0
    if x > -2.0 ^ -1000 and x < 2.0 ^ -1000 then x, e = x * 2.0 ^ 100, -100 end
    local by = floor(math.log(math.abs(x), 2)) + 1
    local half = floor(by / 2)
    x, e = x / 2.0 ^ half / 2.0 ^ (by - half), e + by
    if x >= 1 or x <= -1 then x, e = x / 2, e + 1 elseif x > -0.5 and x < 0.5 then x, e = x * 2, e - 1 end
    return x, e
  end,
}
local EXACT = 2 ^ 53
local newer = {
  maxinteger = EXACT,
  mininteger = -EXACT,
  type = function(...)
    if select("#", ...) == 0 then bad("bad argument #1 to 'type' (value expected)", 2) end
    local v = ...
    if type(v) ~= "number" then return nil end
    return v % 1 == 0 and v >= -EXACT and v <= EXACT and "integer" or "float"
  end,
  tointeger = function(v)
    return type(v) == "number" and v % 1 == 0 and v >= -EXACT and v <= EXACT and v or nil
  end,
  ult = function(a, b)
    a, b = number(a, 1, "ult"), number(b, 2, "ult")
    if (a < 0) ~= (b < 0) then return b < 0 end
    return a < b
  end,
}
for _, names in next, { older, newer } do
  for k, v in next, names do
    if maths[k] == nil then maths[k] = v end
  end
end
-- 5.4 gives addresses, and would take one as a seed.
function maths.randomseed(...)
  if select("#", ...) == 0 then math.randomseed(math.random(1, 2147483647)) else math.randomseed(...) end
end
maths.pow = math.pow or function(a, b) return a ^ b end
local function trace(message)
  look()                                           -- it walks the stack, which may be deep
  local text = traceback(message == nil and "" or show(message), 2)
  return text
end

local clocks = inside.clocks or copy(os, "clock", "date", "difftime", "time")
if not inside.clocks then
  function clocks.date(format, ...)
    if type(format) == "string" and #format > 64 then look() end
    return os.date(format, ...)
  end
  -- Reads its fields as the script has it: with `__index = os.time` it calls itself, and no safepoint.
  function clocks.time(...)
    counted()
    return os.time(...)
  end
end

return {
  unpack = tables.unpack,
  table = tables,
  math = maths,
  utf8 = utf8 and copy(utf8, "char", "charpattern", "codepoint", "codes", "len", "offset"),
  debug = { traceback = trace },
  os = clocks,
}
