-- Sets of characters: the first and the last of each range of codes, sorted and apart from each other.
-- A set may be shared: it is never changed. Letter case and classes beyond ASCII are in unicode.lua.

local inside = ...
local counted, look, sort, sub = inside.counted, inside.look, inside.table.sort, inside.string.sub
local LAST = 0x10FFFF

local CLASSES = {
  d = { 48, 57 }, w = { 48, 57, 65, 90, 95, 95, 97, 122 }, s = { 9, 10, 12, 13, 32, 32 },
  alnum = { 48, 57, 65, 90, 97, 122 }, alpha = { 65, 90, 97, 122 }, ascii = { 0, 127 }, blank = { 9, 9, 32, 32 }, cntrl = { 0, 31, 127, 127 },
  digit = { 48, 57 }, graph = { 33, 126 }, lower = { 97, 122 }, print = { 32, 126 }, punct = { 33, 47, 58, 64, 91, 96, 123, 126 },
  space = { 9, 13, 32, 32 }, upper = { 65, 90 }, word = { 48, 57, 65, 90, 95, 95, 97, 122 }, xdigit = { 48, 57, 65, 70, 97, 102 },
}

-- Two codes are one number here, which C sorts without asking.
local function sorted(ranges)
  local keys, out, n = {}, {}, 0
  for i = 1, #ranges, 2 do keys[#keys + 1] = ranges[i] << 21 | ranges[i + 1] end
  if #keys > 1000 then look() end
  sort(keys)
  for i = 1, #keys do
    counted()
    local from, to = keys[i] >> 21, keys[i] & 0x1FFFFF
    if n > 0 and from <= out[n] + 1 then
      if to > out[n] then out[n] = to end
    else
      out[n + 1], out[n + 2], n = from, to, n + 2
    end
  end
  return out
end

local function union(a, b)
  local out, n, i, j, most, others = {}, 0, 1, 1, #a, #b
  while i <= most or j <= others do
    counted()
    local from, to
    if j > others or i <= most and a[i] < b[j] then from, to, i = a[i], a[i + 1], i + 2
    else from, to, j = b[j], b[j + 1], j + 2 end
    if n > 0 and from <= out[n] + 1 then
      if to > out[n] then out[n] = to end
    else
      out[n + 1], out[n + 2], n = from, to, n + 2
    end
  end
  return out
end

local function negated(ranges)
  local out, n, from = {}, 0, 0
  for i = 1, #ranges, 2 do
    counted()
    if ranges[i] > from then out[n + 1], out[n + 2], n = from, ranges[i] - 1, n + 2 end
    from = ranges[i + 1] + 1
  end
  if from <= LAST then out[n + 1], out[n + 2] = from, LAST end
  return out
end

local unicode
local function beyond()
  unicode = unicode or inside.need("tengo_unicode") or inside.ask("tengo_unicode")
  return unicode
end

-- Both cases of letters. Of those in ASCII, two have a third form: the signs for kelvin and long s.
local function folded(ranges)
  if (ranges[#ranges] or 0) > 127 then return sorted(beyond().folded(ranges)) end
  local out, n = {}, 0
  local function add(from, to)
    if from <= to then out[n + 1], out[n + 2], n = from, to, n + 2 end
  end
  for i = 1, #ranges, 2 do
    counted()
    local a, b = ranges[i], ranges[i + 1]
    add(a, b)
    for to = -32, 32, 64 do
      local low, high = to < 0 and 97 or 65, to < 0 and 122 or 90
      low, high = (a > low and a or low) + to, (b < high and b or high) + to
      add(low, high)
    end
    for c = 65, 97, 32 do
      if a <= c + 10 and b >= c + 10 then add(0x212A, 0x212A) end
      if a <= c + 18 and b >= c + 18 then add(0x17F, 0x17F) end
    end
  end
  return sorted(out)
end

-- A class: a name of those above, or \p and a name that Unicode has. There are not so many that what was
-- made of them could not be kept.
local kept = {}
local function named(name, negative, fold)
  local key = (fold and "i" or "") .. (negative and "^" or "") .. name
  local ranges = kept[key]
  if ranges then return ranges end
  if fold or negative then ranges = named(name, false, false)
  elseif sub(name, 1, 2) == "\\p" then ranges = beyond().class(sub(name, 3))
  else ranges = CLASSES[name] end
  if not ranges then return nil end
  if fold then ranges = folded(ranges) end
  if negative then ranges = negated(ranges) end
  kept[key] = ranges
  return ranges
end

-- Whether a code beyond ASCII is in one.
local function has(ranges, code)
  local low, high = 1, #ranges // 2
  while low <= high do
    local middle = (low + high) // 2
    if code < ranges[2 * middle - 1] then high = middle - 1
    elseif code > ranges[2 * middle] then low = middle + 1
    else return true end
  end
  return false
end

return { LAST = LAST, sorted = sorted, union = union, negated = negated, folded = folded, named = named, has = has }
