-- Characters beyond ASCII: the classes Unicode has by name, and which letters differ in case only.
-- They are read from the text in characters.lua, whose form is told in emit/unicode.py.

local inside = ...
local counted, find, match, gmatch, tonumber = inside.counted, inside.find, inside.match, inside.gmatch, inside.tonumber
local move = inside.table.move
local characters = inside.need("tengo_characters") or inside.ask("tengo_characters")

-- The ranges of a class; nil where there is none of that name.
local function class(name)
  if name == "Any" then return { 0, 0x10FFFF } end
  if not find(name, "^%u[%w_]*$") then return nil end
  local _, at = find(characters, "\n" .. name .. "%f[ \n]")
  if not at then return nil end
  local out, n, last = {}, 0, 0
  for gap, more in gmatch(match(characters, "^[^\n]*", at + 1), "(%w+)%.?(%w*)") do
    counted()
    local from = last + tonumber(gap, 36)
    last = from + (more == "" and 0 or tonumber(more, 36))
    out[n + 1], out[n + 2], n = from, last, n + 2
  end
  return out
end

-- The runs of letters that have another case, by their first: it and the last, how far they are apart, how
-- far the other is, and the furthest that this run or one before it reaches.
local firsts, lasts, steps, ways, reach
local function read()
  firsts, lasts, steps, ways, reach = {}, {}, {}, {}, {}
  local first, furthest, n = 0, 0, 0
  for gap, more, step, way in gmatch(match(characters, "\n~([^\n]*)"), "(%w+)%.(%w+)%.(%w)%.(-?%w+)") do
    counted()
    first, n = first + tonumber(gap, 36), n + 1
    local last = first + tonumber(more, 36) * tonumber(step, 36)
    if last > furthest then furthest = last end
    firsts[n], lasts[n], steps[n], ways[n], reach[n] = first, last, tonumber(step, 36), tonumber(way, 36), furthest
  end
end

-- The ranges, and behind them those of the same letters in their other cases.
local function folded(ranges)
  if not firsts then read() end
  local n = #ranges
  local out = move(ranges, 1, n, 1, {})
  local function add(from, to)
    counted()
    out[n + 1], out[n + 2], n = from, to, n + 2
  end
  for i = 1, #ranges, 2 do
    counted()
    local from, to = ranges[i], ranges[i + 1]
    local run, high = 0, #firsts                   -- the last run that begins before the end of the range
    while run < high do
      local middle = (run + high + 1) // 2
      if firsts[middle] <= to then run = middle else high = middle - 1 end
    end
    while run > 0 and reach[run] >= from do
      counted()
      local first, last, step, way = firsts[run], lasts[run], steps[run], ways[run]
      if first < from then first = from + (first - from) % step end
      if last > to then last = to end
      if step > 1 then
        for c = first, last, step do add(c + way, c + way) end
      elseif first <= last then
        add(first + way, last + way)
      end
      run = run - 1
    end
  end
  return out
end

return { class = class, folded = folded }
