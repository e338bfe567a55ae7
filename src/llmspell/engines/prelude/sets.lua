-- Sets of characters as patterns have them: 256 entries, told by the C library where it has names.

local inside = ...
local string, next, concat, find, gmatch, pcall, counted =
  inside.string, inside.next, inside.concat, inside.find, inside.gmatch, inside.pcall, inside.counted
local byte, char, sub = string.byte, string.char, string.sub

local NUL = pcall(find, "", "[\0]") and "\0" or "%z" -- LuaJIT ends a pattern at a NUL

local bytes = {}
for c = 0, 255 do bytes[c + 1] = char(c) end
local EVERY = concat(bytes)

local sets, set_count = {}, 0
local function remember(text, set)
  if set_count > 200 then sets, set_count = {}, 0 end
  if #text < 40 then sets[text], set_count = set, set_count + 1 end
  return set
end

local function members(text)
  local set = sets[text]
  if set then return set end
  set = {}
  if #text == 1 and text ~= "." then return remember(text, { [byte(text)] = true }) end
  if byte(text) ~= 91 then
    for c in gmatch(EVERY, text) do set[byte(c)] = true end
    return remember(text, set)
  end
  local i, last, wanted = 2, #text, true
  if byte(text, 2) == 94 then i, wanted = 3, false end
  while i < last do
    counted()
    local c = byte(text, i)
    if c == 37 then
      local named = sub(text, i, i + 1)
      if find(named, "[^bf%A]", 2) then            -- %b and %f are letters in here
        for k in next, members(named) do set[k] = true end
      else
        set[byte(named, 2)] = true
      end
      i = i + 2
    elseif byte(text, i + 1) == 45 and i + 2 < last then
      for k = c, byte(text, i + 2) do set[k] = true end
      i = i + 3
    else
      set[c] = true
      i = i + 1
    end
  end
  if not wanted then
    local others = {}
    for c = 0, 255 do others[c] = not set[c] or nil end
    set = others
  end
  return remember(text, set)
end

local function apart(a, b)
  for c in next, a do if b[c] then return false end end
  return true
end

local function escaped(c)
  local text = bytes[c + 1]
  return c == 0 and NUL or find(text, "%p") and "%" .. text or text
end

-- A class for a set, nil for an empty one.
local function class_of(set)
  local out, c = { "[" }, 0
  while c <= 255 do
    local from = c
    while set[c] and set[c + 1] do c = c + 1 end
    if set[c] then
      -- The ends of a range must stand for themselves.
      while from < c and #escaped(from) > 1 do out[#out + 1] = escaped(from) from = from + 1 end
      local tail = c
      while from < tail and #escaped(tail) > 1 do out[#out + 1] = escaped(tail) tail = tail - 1 end
      out[#out + 1] = escaped(from)
      if from < tail then out[#out + 1] = "-" .. escaped(tail) end
    end
    c = c + 1
  end
  if #out == 1 then return nil end
  out[#out + 1] = "]"
  return concat(out)
end

return { members = members, apart = apart, escaped = escaped, class_of = class_of, NUL = NUL }
