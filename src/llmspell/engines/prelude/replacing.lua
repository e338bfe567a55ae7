-- string.gsub for texts where C alone would take too long. See the part searching.

local inside = ...
local type, select, unpack, pcall, concat, find, gsub, match, string, look, counted, guarded, unguarded, tonumber, huge, floor =
  inside.type, inside.select, inside.unpack, inside.pcall, inside.concat, inside.find, inside.gsub, inside.match, inside.string,
  inside.look, inside.counted, inside.guarded, inside.unguarded, inside.tonumber, inside.math.huge, inside.math.floor
local byte, sub = string.byte, string.sub
local searching = inside.need("searching")
local seek, spread, prepare, raise, entries, BARRED, IN_C =
  searching.seek, searching.spread, searching.prepare, searching.raise, searching.entries,
  searching.BARRED, searching.IN_C
local FRONTED, planned, spend = searching.FRONTED, searching.planned, searching.spend

local BUDGET = 1e7
local BATCH, MANY = 16, 2048                       -- calls made inside one call of C
local STRICT = not pcall(gsub, "a", "a", "%x")     -- whether "%x" is an error

-- Text made of many pieces, joined now and then.
local function new_sink()
  local pieces, count, done, dones = {}, 0, {}, 0
  return function(piece)
    count = count + 1
    pieces[count] = piece
    if count == 4096 then
      dones = dones + 1
      done[dones], count = concat(pieces, "", 1, count), 0
    end
  end, function()
    done[dones + 1] = concat(pieces, "", 1, count)
    return concat(done, "", 1, dones + 1)
  end
end

-- A replacement text: pieces of text, numbers of captures, and tables for what is wrong.
local function parts_of(replacement)
  local parts, i = {}, 1
  while true do
    counted()
    local at = find(replacement, "%", i, true)
    if at ~= i then parts[#parts + 1] = sub(replacement, i, at and at - 1) end
    if not at then return parts end
    local c = sub(replacement, at + 1, at + 1)
    if find(c, "%d") then parts[#parts + 1] = tonumber(c)
    elseif c == "%" or not STRICT then parts[#parts + 1] = c ~= "" and c or "\0"
    else parts[#parts + 1] = { "%" .. c } end
    i = at + 2
  end
end

local function expand(add, parts, plan, whole, a, b, c, d)
  for k = 1, #parts do
    local part = parts[k]
    if type(part) == "table" then raise(gsub, "a", part[1]) end
    if type(part) == "number" then
      counted()
      if part == 0 or part == 1 and plan.count == 0 then
        part = whole
      else
        if part > plan.count then raise(gsub, "a", "%" .. (part == 1 and 2 or part)) end
        if plan.closed[part] == false then raise(match, "(") end
        if plan.count > 4 then part = a[part]
        else part = part == 1 and a or part == 2 and b or part == 3 and c or d end
      end
    end
    add(part)
  end
end

local function by_text(work, replacement, most)
  local plan, s, size = work.plan, work.s, work.size
  local add, text = new_sink()
  local parts = find(replacement, "%", 1, true) and parts_of(replacement)
  local i, copied, count, barred = 1, 1, 0, nil
  while count < most do
    local a, b, c, d, e, f = seek(work, i, barred)
    if not a then break end
    count = count + 1
    if a > copied then add(sub(s, copied, a - 1)) end
    if parts then expand(add, parts, plan, sub(s, a, b), c, d, e, f) else add(replacement) end
    copied, i = b + 1, b + 1
    if BARRED then barred = b elseif b < a then i = a + 1 end
    if plan.anchor then break end
  end
  if count == 0 then return s, 0 end
  if copied <= size then add(sub(s, copied)) end
  return text(), count
end
entries[by_text] = not BARRED

-- The script's function or table is asked inside a call of C, as it always was: it cannot wait.
local function by_value(work, replacement, most)
  local plan, s, size = work.plan, work.s, work.size
  local add, text = new_sink()
  local called, captures = type(replacement) == "function", plan.count
  local i, copied, count, barred, over = 1, 1, 0, nil, false
  local found, held, values = {}, 0, {}
  local function ask()
    for k = 1, held do
      counted()
      local at = 6 * k
      local c, value = found[at - 3], nil
      if captures == 0 then c = sub(s, found[at - 5], found[at - 4]) end
      if not called then
        if captures > 4 then c = c[1] end
        value = replacement[c]
      elseif captures <= 1 then value = replacement(c)
      else value = replacement(spread(captures, c, found[at - 2], found[at - 1], found[at])) end
      if value and type(value) ~= "string" and type(value) ~= "number" then
        unguarded(pcall(gsub, "a", "a", function() return value end))
      end
      values[k] = value
    end
  end
  repeat
    held = 0
    while held < BATCH and not over do
      local a, b, c, d, e, f
      if count < most then a, b, c, d, e, f = seek(work, i, barred) end
      if a then
        if plan.open and (called or plan.closed[1] == false) then raise(match, "(") end
        local at = 6 * held
        found[at + 1], found[at + 2], found[at + 3] = a, b, c
        found[at + 4], found[at + 5], found[at + 6] = d, e, f
        held, count, i = held + 1, count + 1, b + 1
        if BARRED then barred = b elseif b < a then i = a + 1 end
        over = plan.anchor
      else
        over = true
      end
    end
    if held > 0 then unguarded(guarded("string.gsub", gsub, "a", "a", ask)) end
    for k = 1, held do
      local a, b, value = found[6 * k - 5], found[6 * k - 4], values[k]
      if value then
        if a > copied then add(sub(s, copied, a - 1)) end
        add(value)
        copied = b + 1
      end
    end
  until over
  if copied == 1 and count == 0 then return s, 0 end
  if copied <= size then add(sub(s, copied)) end
  return text(), count
end

-- C does many at a time, and tells where it stands.
local function by_batch(work, told, replacement, most)
  local s, captures, stop = work.s, work.plan.count, nil
  local add, text = new_sink()
  local called, count, i = type(replacement) == "function", 0, 1
  local ask
  if not called then function ask(key, ...) stop = select(select("#", ...), ...) return replacement[key] end
  elseif captures <= 1 then function ask(a, e) stop = e return replacement(a) end
  elseif captures == 2 then function ask(a, b, e) stop = e return replacement(a, b) end
  else
    function ask(...)
      local args = { ... }
      stop = args[captures + 1]
      return replacement(unpack(args, 1, captures))
    end
  end
  while count < most do
    local rest = i > 1 and sub(s, i) or s
    local many = most - count < MANY and most - count or MANY
    counted()
    local done, n = unguarded(guarded("string.gsub", gsub, rest, told, ask, many))
    count = count + n
    if n < many then
      add(done)
      return text(), count
    end
    -- What is left of the text stands at the end as it was.
    add(sub(done, 1, #done - (#rest - stop + 1)))
    i = i + stop - 1
    spend(4 * stop)
  end
  add(sub(s, i))
  return text(), count
end

return function(s, pattern, replacement, max)
  local text, p = searching.texts(s, pattern)
  local kind, most = type(replacement), huge
  if kind == "number" then replacement, kind = replacement .. "", "string" end
  local right = text and p and (kind == "string" or kind == "table" or kind == "function")
  if right and max ~= nil then
    -- C says what it takes the number for, fractions and all.
    local _
    right, _, most = pcall(gsub, "12345678", "", "", max)
    if right and most == 9 then most = floor(tonumber(max)) end
  end
  if right then
    local work = prepare(text, planned(p))
    local by_match = kind ~= "string" and 500 or 10
    if kind == "string" and #replacement > 20 and find(replacement, "%", 1, true) then
      by_match = by_match + #replacement
    end
    local plan, mode = work.plan, work.mode
    local front = mode == FRONTED and plan.clean
    local much = (work.size + 1) * by_match > BUDGET
    if kind ~= "string" and plan.forward and much and (mode == IN_C or front) then
      return by_batch(work, (front or "") .. plan.told, replacement, most)
    end
    if mode ~= IN_C and not front or much then
      if mode == IN_C and (plan.broken or not plan.linear) then work.mode = work.one <= BUDGET and 2 or 3 end
      if kind == "string" then return by_text(work, replacement, most) end
      return by_value(work, replacement, most)
    end
    pattern = (front or "") .. p
    look()
  end
  if kind == "string" then return gsub(s, pattern, replacement, max) end
  return unguarded(guarded("string.gsub", gsub, s, pattern, replacement, max))
end
