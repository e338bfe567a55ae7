-- The string library: copied functions, and those wrapped because they take long or show addresses.

local inside = ...
local string, copy, look, LONG, bad, show, guarded, unguarded, select, type, tonumber, tostring,
  unpack, find, gsub, format, match, gmatch, rep =
  inside.string, inside.copy, inside.look, inside.LONG, inside.bad, inside.show, inside.guarded,
  inside.unguarded, inside.select, inside.type, inside.tonumber, inside.tostring, inside.unpack,
  inside.find, inside.gsub, inside.format, inside.match, inside.gmatch, inside.rep

local function long(s) if type(s) == "string" and #s > LONG then look() end end
local strings = copy(string, "byte", "char", "len", "lower", "pack", "packsize", "reverse",
  "sub", "unpack", "upper")
-- No addresses: %p is refused, and %s shows what print shows.
function strings.format(pattern, ...)
  if type(pattern) == "string" and find(pattern, "%%[-+ #0-9.]*p") then
    bad("string.format: %p is not available to spells", 2)
  end
  local args, count = { ... }, select("#", ...)
  for i = 1, count do
    local kind = type(args[i])
    if kind ~= "string" and kind ~= "number" then args[i] = show(args[i]) end
  end
  return format(pattern, unpack(args, 1, count))
end
function strings.find(s, pattern, init, plain) long(s) return find(s, pattern, init, plain) end
function strings.match(s, pattern, init) long(s) return match(s, pattern, init) end
function strings.gmatch(s, pattern, init) long(s) return gmatch(s, pattern, init) end
function strings.gsub(s, pattern, replacement, max)
  long(s)
  if type(replacement) == "string" then return gsub(s, pattern, replacement, max) end
  return unguarded(guarded("string.gsub", gsub, s, pattern, replacement, max))
end
function strings.rep(s, count, separator)
  local size = #tostring(s) + #tostring(separator or "")
  if size == 0 and tonumber(count) then return "" end
  if size * (tonumber(count) or 0) > LONG then look() end
  return rep(s, count, separator)
end

return { string = strings }
