-- The string library: copied functions, and those wrapped because they take long or show addresses.

local inside = ...
local string, copy, look, LONG, bad, show, guarded, unguarded, select, type, tonumber, tostring,
  unpack, find, gsub, format, match, gmatch, rep, need =
  inside.string, inside.copy, inside.look, inside.LONG, inside.bad, inside.show, inside.guarded,
  inside.unguarded, inside.select, inside.type, inside.tonumber, inside.tostring, inside.unpack,
  inside.find, inside.gsub, inside.format, inside.match, inside.gmatch, inside.rep, inside.need

local strings = copy(string, "byte", "char", "len", "pack", "packsize", "sub", "unpack")

-- No call of C can be interrupted. For each pattern: how long a text may be that C surely is done
-- with at once. The first estimate is rough; the part patterns makes better ones.
local most, known, spent = {}, 0, 0
inside.most = most
local linear = {}                                  -- patterns whose search costs what it passes over
inside.linear = linear

local function estimate(pattern)
  local _, repeats = gsub(pattern, "[*+%-?]", "")
  local _, others = gsub(pattern, "%%[b%d]", "")
  -- A text of n bytes has fewer than (n + k)^k / k! ways to be cut into k pieces.
  local k, steps = repeats + others + 1, 1e5 / (#pattern + 1)
  for i = 2, k do steps = steps * i end
  local size = k < 20 and steps ^ (1 / k) - k or 0
  if size < 1 then size = -1 end
  if #pattern <= 256 then
    if known > 500 then
      for p in inside.next, most do most[p], linear[p] = nil, nil end
      known = 0
    end
    most[pattern], known = size, known + 1
  end
  return size
end

local careful
local function search(name, s, pattern, init, plain)
  if type(s) == "string" and type(pattern) == "string" and not most[pattern] then
    if #s <= estimate(pattern) then return string[name](s, pattern, init, plain) end
  end
  careful = careful or need("searching").careful
  return careful[name](s, pattern, init, plain)
end

-- What C may do on its own it does here; one call in a few looks at the clock.
local function pay(share)
  spent = spent + share
  if spent > 10 then
    spent = 0
    look()
  end
end
function strings.find(s, pattern, init, plain)
  local size = most[pattern]
  if size and type(s) == "string" and #s <= size then
    pay(#s / size)
    return find(s, pattern, init, plain)
  end
  if linear[pattern] and type(init) == "number" and init > 0 and not plain and type(s) == "string" then
    local a, b = find(s, pattern, init)
    pay(((b or #s) - init) / 25000)
    if not a then return nil end
    return a, b
  end
  return search("find", s, pattern, init, plain)
end
function strings.match(s, pattern, init)
  local size = most[pattern]
  if size and type(s) == "string" and #s <= size then
    pay(#s / size)
    return match(s, pattern, init)
  end
  return search("match", s, pattern, init)
end
function strings.gmatch(s, pattern, init)
  local size = most[pattern]
  if size and type(s) == "string" and #s <= size then
    pay(#s / size)
    return gmatch(s, pattern, init)
  end
  return search("gmatch", s, pattern, init)
end
function strings.gsub(s, pattern, replacement, max)
  local kind = type(replacement)
  if type(s) == "string" and type(pattern) == "string" and #s < 1e4 and (kind ~= "string" or #replacement < 100) then
    local size = most[pattern] or estimate(pattern)
    if #s <= size then
      pay(#s / size + #s / 2000)
      if kind == "string" then return gsub(s, pattern, replacement, max) end
      return unguarded(guarded("string.gsub", gsub, s, pattern, replacement, max))
    end
  end
  return need("replacing")(s, pattern, replacement, max)
end

-- No addresses: %p is refused, and %s shows what print shows.
function strings.format(pattern, ...)
  if type(pattern) == "string" and find(pattern, "%%[-+ #0-9.]*p") then
    bad("string.format: %p is not available to spells", 2)
  end
  local args, count = { ... }, select("#", ...)
  local literal = type(pattern) == "string" and find(pattern, "%q", 1, true)
  for i = 1, count do
    local kind = type(args[i])
    if kind ~= "string" and kind ~= "number" and not (literal and (kind == "nil" or kind == "boolean")) then
      args[i] = show(args[i])
    end
  end
  return format(pattern, unpack(args, 1, count))
end
function strings.rep(s, count, separator)
  local size = #tostring(s) + #tostring(separator or "")
  if size == 0 and tonumber(count) then return "" end
  if size * (tonumber(count) or 0) > LONG then look() end
  return rep(s, count, separator)
end
-- These take time by the length of the text.
for _, name in inside.next, { "lower", "reverse", "upper" } do
  local f = string[name]
  strings[name] = function(s)
    if type(s) == "string" and #s > LONG then look() end
    return f(s)
  end
end

return { string = strings }
