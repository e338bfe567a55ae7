-- Patterns over long texts: what the C library would do in one call that cannot be interrupted is
-- done here in steps. A pattern is taken apart once; then, by what it may cost at worst, C searches
-- on its own, or C tries one start after another, or a matcher in Lua walks through the items.

local inside = ...
local string, LONG, type, next, select, unpack, concat, find, match, gmatch, gsub, look, counted,
  getinfo, error, pcall, checked, guarded, unguarded, setmetatable, tonumber =
  inside.string, inside.LONG, inside.type, inside.next, inside.select, inside.unpack,
  inside.concat, inside.find, inside.match, inside.gmatch, inside.gsub, inside.look,
  inside.counted, inside.getinfo, inside.error, inside.pcall, inside.checked, inside.guarded,
  inside.unguarded, inside.setmetatable, inside.tonumber
local byte, char, sub, floor, huge = string.byte, string.char, string.sub, inside.math.floor, inside.math.huge

local BUDGET = 1e7                                 -- steps of C's matcher in one call: 10 to 50 ms
local FREE = 1e5                                   -- as many are not worth a look at the clock
local IN_C, BY_START, BY_ITEM = 1, 2, 3
local SINGLE, GREEDY, LAZY, MAYBE, OPEN, CLOSE, HERE, BACK, BALANCE, FRONTIER, LAST, END, WRONG =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
local SUFFIX = { [42] = GREEDY, [43] = GREEDY, [45] = LAZY, [63] = MAYBE }
-- What differs between the engines is asked of the engine.
local NUL = pcall(find, "", "[\0]") and "\0" or "%z"
local LASTMATCH = select(2, gsub("ab", "b*", "")) == 2
local ESCAPES_STRICT = not pcall(gsub, "a", "a", "%x")

-- Sets of characters. ---------------------------------------------------------------------------

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
  if byte(text) ~= 91 then
    for c in gmatch(EVERY, #text == 1 and text ~= "." and "%" .. text or text) do set[byte(c)] = true end
    if #text == 1 and text ~= "." then set = { [byte(text)] = true } end
    return remember(text, set)
  end
  local i, last, wanted = 2, #text, true
  if byte(text, 2) == 94 then i, wanted = 3, nil end
  while i < last do
    counted()
    local c = byte(text, i)
    if c == 37 then
      for k in next, members(sub(text, i, i + 1)) do set[k] = true end
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

-- Taking a pattern apart. -----------------------------------------------------------------------

-- Where a single item ends, or nil and a pattern that is wrong in the same way.
local function single_end(p, i)
  local c = byte(p, i)
  if c == 37 then
    if i == #p then return nil, "%" end
    return i + 2
  end
  i = i + 1
  if c ~= 91 then return i end
  if byte(p, i) == 94 then i = i + 1 end
  repeat
    counted()
    if i > #p then return nil, "[" end
    i = i + (byte(p, i) == 37 and i < #p and 2 or 1)
  until byte(p, i) == 93
  return i + 1
end

-- A mistake is an item of its own: C only complains when it gets there.
local function parse(p, i)
  local items, closed, level = {}, {}, 0
  while i <= #p do
    counted()
    local c, d, item = byte(p, i), byte(p, i + 1), nil
    if c == 40 then
      level = level + 1
      if level > 32 then item = { op = WRONG, like = ("()"):rep(33) }
      elseif d == 41 then item, closed[level] = { op = HERE, index = level }, true
      else item, closed[level] = { op = OPEN, index = level }, false end
      i = i + (d == 41 and 2 or 1)
    elseif c == 41 then
      local k = level
      while k > 0 and closed[k] do k = k - 1 end
      if k == 0 then item = { op = WRONG, like = "%)", call = match, bare = ")" }
      else item, closed[k] = { op = CLOSE, index = k }, true end
      i = i + 1
    elseif c == 36 and i == #p then
      item, i = { op = LAST }, i + 1
    elseif c == 37 and d == 98 then
      if i + 3 > #p then item = { op = WRONG, like = "%b" }
      else
        local x, y = byte(p, i + 2, i + 3)
        item = { op = BALANCE, x = x, y = y, both = class_of({ [x] = true, [y] = true }) }
      end
      i = i + 4
    elseif c == 37 and d == 102 then
      local stop, like = nil, "%f"
      if byte(p, i + 2) == 91 then stop, like = single_end(p, i + 2) end
      if stop then item = { op = FRONTIER, set = members(sub(p, i + 2, stop - 1)), text = sub(p, i, stop - 1) }
      else item = { op = WRONG, like = like } end
      i = stop
    elseif c == 37 and d and d >= 48 and d <= 57 then
      if closed[d - 48] then item = { op = BACK, index = d - 48 }
      else item = { op = WRONG, like = "%" .. char(d) } end
      i = i + 2
    else
      local stop, like = single_end(p, i)
      if stop then
        local text = sub(p, i, stop - 1)
        local suffix = byte(p, stop)
        item = { op = SUFFIX[suffix] or SINGLE, set = members(text), text = text, least = suffix == 43 and 1 or 0 }
        i = SUFFIX[suffix] and stop + 1 or stop
        if item.op == GREEDY then item.run = "^" .. text .. "*" end
      else
        item = { op = WRONG, like = like }
      end
    end
    items[#items + 1] = item
    if item.op == WRONG then return items, level, closed, true end
  end
  items[#items + 1] = { op = END }
  return items, level, closed, false
end

-- What may follow each item decides whether a repetition can ever give back what it took.
local function link(items)
  local firsts, certain, void = {}, false, false    -- -1 in a set: the end of the text
  local final, single_rest = true, true
  for k = #items, 1, -1 do
    local item, op, follow = items[k], items[k].op, firsts[k + 1]
    if op == END then certain, void = true, true
    elseif op == LAST then firsts[k], certain, void, final = { [-1] = true }, false, true, false
    elseif op == OPEN or op == CLOSE or op == HERE then firsts[k] = follow
    elseif op == GREEDY or op == LAZY or op == MAYBE then
      item.final, item.sure, item.rest_single = final and op == GREEDY, certain, single_rest
      item.tame = follow and apart(item.set, follow)
      if #items <= 64 then item.follow = follow end
      local least = item.least > 0
      certain = not least and (certain or op ~= MAYBE and void and item.text == ".")
      void, final = void and not least, false
      if not item.final then single_rest = false end
      if least then firsts[k] = item.set
      elseif follow and #items <= 64 then
        local both = {}
        for c in next, follow do both[c] = true end
        for c in next, item.set do both[c] = true end
        firsts[k] = both
      end
    else
      certain, void, final = false, false, false
      if op == SINGLE then firsts[k] = item.set
      elseif op == BALANCE then firsts[k] = { [item.x] = true }
      elseif op == FRONTIER then
        firsts[k] = setmetatable({ [-1] = item.set[0] }, { __index = item.set })
        for c in next, item.set do firsts[k][c] = true end
        setmetatable(firsts[k], nil)
      end
    end
    if op == LAZY and item.follow and not item.tame then
      local between = {}
      for c in next, item.set do if not item.follow[c] then between[c] = true end end
      local text = class_of(between)
      item.skip = text and "^" .. text .. "*"
    end
  end
  return firsts[1]
end
