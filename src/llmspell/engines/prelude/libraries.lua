-- The libraries table, math, utf8, os and debug, as far as a spell has them.

local inside = ...
local table, math, utf8, os, copy, look, LONG, bad, show, guarded, unguarded, traceback, select,
  type, next, rawlen, unpack =
  inside.table, inside.math, inside.utf8, inside.os, inside.copy, inside.look, inside.LONG,
  inside.bad, inside.show, inside.guarded, inside.unguarded, inside.traceback, inside.select,
  inside.type, inside.next, inside.rawlen, inside.unpack

local MAX_RANGE = 1e7
local function span(name, from, to)
  if type(from) == "number" and type(to) == "number" then
    if to - from > MAX_RANGE then bad(name .. ": the range is too large", 3) end
    if to - from > LONG then look() end
  end
end
local tables = copy(table, "insert", "remove")
function tables.concat(t, separator, i, j)
  span("table.concat", i or 1, j or (type(t) == "table" and rawlen(t)))
  return table.concat(t, separator, i, j)
end
function tables.move(a, from, to, at, b)
  span("table.move", from, to)
  if b == nil then return table.move(a, from, to, at) end
  return table.move(a, from, to, at, b)
end
tables.unpack = unpack
tables.pack = table.pack or function(...) return { n = select("#", ...), ... } end
tables.getn = function(t) return #t end
tables.maxn = function(t)
  local most = 0
  for k in next, t do if type(k) == "number" and k > most then most = k end end
  return most
end
function tables.sort(t, less)
  look()
  unguarded(guarded("table.sort", table.sort, t, less))
end
local maths = {}
for k, v in next, math do maths[k] = v end
maths.pow = math.pow or function(a, b) return a ^ b end
local function trace(message)
  local text = traceback(message == nil and "" or show(message), 2)
  return text
end

return {
  table = tables,
  math = maths,
  utf8 = utf8 and copy(utf8, "char", "charpattern", "codepoint", "codes", "len", "offset"),
  debug = { traceback = trace },
  os = copy(os, "clock", "date", "difftime", "time"),
}

