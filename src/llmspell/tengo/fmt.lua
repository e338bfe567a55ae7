-- The module fmt.

local inside = ...
local T = inside.tengo
local concat, select = inside.concat, inside.select

local function joined(...)
  local out = { ... }
  for i = 1, select("#", ...) do out[i] = T.text(out[i]) end
  return concat(out)
end

local F = {}
function F.print(...)
  T.write(joined(...))
  return T.U
end
function F.println(...)
  T.write(joined(...) .. "\n")
  return T.U
end
local function formatted(name, pattern, ...)
  if pattern == nil then T.wrong_count("user-function:" .. name) end
  if inside.type(pattern) ~= "string" then T.wrong_type("user-function:" .. name, "format", "string", pattern) end
  return T.formatted(pattern, ...)
end
function F.printf(...)
  T.write(formatted("printf", ...))
  return T.U
end
function F.sprintf(...) return formatted("sprintf", ...) end
return F
