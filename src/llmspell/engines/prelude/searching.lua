-- The searching functions of the string library for texts where C alone would take too long: the
-- same results and errors, in steps. See the part patterns for how it is decided.

local inside = ...
local string, type, select, unpack, find, match, gmatch, gsub, look, counted, getinfo, error, pcall,
  setmetatable, weak, floor =
  inside.string, inside.type, inside.select, inside.unpack, inside.find, inside.match,
  inside.gmatch, inside.gsub, inside.look, inside.counted, inside.getinfo, inside.error,
  inside.pcall, inside.setmetatable, inside.weak, inside.math.floor
local byte, sub = string.byte, string.sub
local patterns, matching = inside.need("patterns"), inside.need("matching")
local planned, decide = patterns.planned, patterns.decide
local walk, far, raise, entries = matching.walk, matching.far, matching.raise, matching.entries

local IN_C, BY_START, BY_ITEM, FRONTED = 1, 2, 3, 4
local LOOK = 1e6                                   -- steps of C's matcher between two looks
-- What differs between the engines is asked of the engine.
local BARRED = select(2, gsub("ab", "b*", "")) == 2 -- no empty match where the last one ended

-- Searching. ------------------------------------------------------------------------------------

local spent = 0
local function spend(steps)
  spent = spent + steps
  if spent > LOOK then
    spent = 0
    look()
  end
end

-- Gives where a match starts and ends, then what was captured: up to four values, or a list.
local function try(work, text, i)
  if work.plan.count <= 4 then return find(work.s, text, i) end
  local a, b = find(work.s, text, i)
  if a then return a, b, { select(3, find(work.s, text, i)) } end
end

-- The first match that starts at `i` or later, as `try` gives it, and does not end at `barred`.
local function seek(work, i, barred)
  local plan, s, size, mode = work.plan, work.s, work.size, work.mode
  local jump = plan.jump
  while i <= size + 1 do
    counted()
    local a, b, c, d, e, f
    if mode == IN_C then
      a, b, c, d, e, f = try(work, plan.whole, i)
      spend(plan.linear and 4 * ((b or size) - i + 2) or work.all)
      if not a then return nil end
      if b ~= barred then return a, b, c, d, e, f end
      i = a + 1
    elseif mode == FRONTED then
      local from = i
      local before, here = byte(s, i - 1, i)
      if i == 1 then before, here = 0, byte(s) end
      if plan.front[before] and plan.front[here or -1] then a, b, c, d, e, f = try(work, plan.text, i) end
      if not a then a, b, c, d, e, f = try(work, plan.fronted, i) end
      spend(4 * ((b or size) - from + 2))
      return a, b, c, d, e, f
    else
      if jump and not plan.anchor then
        local from = i
        i = find(s, jump, i) or plan.tail and size + 1
        spend((i or size) - from)
        if not i then return nil end
      end
      if mode == BY_ITEM then
        a, b, c, d, e, f = walk(work, i)
      else
        a, b, c, d, e, f = try(work, plan.text, i)
      end
      if a and b ~= barred then
        spend(plan.frugal and 4 * (b - a + 2) or work.one)
        return a, b, c, d, e, f
      end
      if plan.anchor then return nil end
      local from, leading = i, not a and plan.leading
      i = i + 1
      if leading and leading.set[byte(s, from) or -1] then
        -- The whole run fails as its start did.
        if plan.onward then i = find(s, plan.onward, i)
        else i = plan.off and find(s, plan.off, i) or size + 1 end
      end
      spend(plan.cheap and 4 * ((i or size) - from + 1) or work.one)
      if not i then return nil end
    end
  end
end

local function spread(count, a, b, c, d)
  if count == 1 then return a elseif count == 2 then return a, b
  elseif count == 3 then return a, b, c elseif count == 4 then return a, b, c, d end
  return unpack(a, 1, count)
end

-- What a search needs to know.
local function prepare(s, plan, mode, one, all)
  if not mode then mode, one, all = decide(plan, s, #s) end
  return { plan = plan, s = s, size = #s, mode = mode, one = one, all = all, marks = {}, stack = {} }
end

local function texts(s, pattern)
  if type(s) == "number" then s = s .. "" end
  if type(pattern) == "number" then pattern = pattern .. "" end
  return type(s) == "string" and s, type(pattern) == "string" and pattern
end

-- Without patterns. -----------------------------------------------------------------------------

local WINDOW = 1000000

local function same(s, i, needle)
  local done, piece = 64, 256
  while done < #needle do
    counted()
    if sub(s, i + done, i + done + piece - 1) ~= sub(needle, done + 1, done + piece) then return false end
    far(0, piece)
    done = done + piece
    if piece < 200000 then piece = piece * 2 end
  end
  return true
end

local function find_plain(s, needle, i)
  local size, width = #s, #needle
  local head = sub(needle, 1, 64)
  while i <= size - width + 1 do
    local piece, from = size > WINDOW and sub(s, i, i + WINDOW + 62) or s, size > WINDOW and 1 or i
    local base = size > WINDOW and i - 1 or 0
    while true do
      counted()
      local a = find(piece, head, from, true)
      far(from, a or #piece)
      if not a then break end
      if base + a > size - width + 1 then return nil end
      if same(s, base + a, needle) then return base + a, base + a + width - 1 end
      from = a + 1
    end
    if base == 0 and piece == s then break end
    i = i + WINDOW
  end
  return nil                                       -- not nothing at all: C gives a value
end

-- What scripts call. ----------------------------------------------------------------------------

local careful = {}

local function search(f, whole, s, pattern, init, plain)
  local text, p = texts(s, pattern)
  local at = init or 1
  if at == 1 or type(at) == "number" and at > 0 and text and at <= #text and at % 1 == 0 then
    at = floor(at)                                 -- 2.0 stands for 2, in what is given back too
  elseif text and p then
    local ok, found = pcall(match, text, "()", init)
    if ok and not found then return nil end
    at = ok and found
  end
  if not (text and p and at) then return f(s, pattern, init, plain) end
  if whole and (plain or not find(p, "[%^%$%*%+%?%.%(%[%%%-]")) then
    if #p <= 1 or #text <= WINDOW and #p * #text < 1e8 then
      look()
      return f(s, pattern, init, plain)
    end
    return find_plain(text, p, at)
  end
  local plan = planned(p)
  local mode, one, all = decide(plan, text, #text)
  local a, b, c, d, e, g
  if mode == IN_C then
    if plan.broken or not plan.linear or plan.count > 4 then
      look()
      return f(s, pattern, init, plain)
    end
    a, b, c, d, e, g = find(text, plan.whole, at)
    spend(4 * ((b or #text) - at + 2))
  else
    a, b, c, d, e, g = seek(prepare(text, plan, mode, one, all), at)
  end
  if not a then return nil end
  if plan.open then raise(match, "(") end
  if plan.count == 0 then
    if whole then return a, b end
    return sub(text, a, b)
  end
  if whole then return a, b, spread(plan.count, c, d, e, g) end
  return spread(plan.count, c, d, e, g)
end

function careful.find(s, pattern, init, plain) return search(find, true, s, pattern, init, plain) end
function careful.match(s, pattern, init) return search(match, false, s, pattern, init) end
entries[search] = not BARRED

-- C's own iterator, which tells where it stands last: that is what it has cost. Where a match ends
-- within a run, `slow` goes on.
local function paid(plan, work, iterator, i, slow)
  local linear, all, s = plan.linear or work.mode == FRONTED, work.all, work.s
  local front, over = work.mode == FRONTED and not plan.clean and plan.front, nil
  local function pay(stop)
    spend(linear and 4 * ((stop or work.size) - i + 2) or all)
    i = stop or i
    if front and stop then
      local before, here = byte(s, stop - 1, stop)
      if front[before] and front[here or -1] then over = slow(stop) end
    end
  end
  if plan.count <= 1 then
    return function()
      if over then return over() end
      local a, stop = iterator()
      pay(stop)
      return a
    end
  elseif plan.count == 2 then
    return function()
      if over then return over() end
      local a, b, stop = iterator()
      pay(stop)
      if a then return a, b end
    end
  end
  local function rest(...)
    local count = select("#", ...)
    pay(count > 1 and select(count, ...) or nil)
    if count > 1 then return unpack({ ... }, 1, count - 1) end
  end
  return function() if over then return over() end return rest(iterator()) end
end

function careful.gmatch(s, pattern, init)
  local text, p = texts(s, pattern)
  local ok, i = true, 1
  if text and p and init ~= nil then
    ok, i = pcall(gmatch, text, "()", init)
    i = ok and i() or #text + 2
  end
  if not (text and p and ok) then return gmatch(s, pattern, init) end
  local work, barred = prepare(text, planned(p, true)), nil
  local plan = work.plan
  if plan.broken and work.mode == IN_C then return gmatch(s, pattern, init) end
  local direct = work.mode == BY_START and plan.frugal and plan.count <= 4 and plan.text
  local function iterate()
    local a, b, c, d, e, f
    if direct and i <= work.size + 1 then a, b, c, d, e, f = find(text, direct, i) end
    if a and b ~= barred then spend(4 * (b - a + 2)) else a, b, c, d, e, f = seek(work, i, barred) end
    if not a then return end
    if plan.open then raise(match, "(") end
    i = b + 1
    if BARRED then barred = b elseif b < a then i = a + 1 end
    if plan.count == 0 then return sub(text, a, b) end
    return spread(plan.count, c, d, e, f)
  end
  entries[iterate] = true
  if plan.told and (work.mode == IN_C or work.mode == FRONTED and i == 1 and not plan.front[0]) then
    local told = (work.mode == FRONTED and plan.frontier or "") .. plan.told
    return paid(plan, work, gmatch(text, told, init), i, function(stop)
      i = stop
      if BARRED then barred = stop - 1 end
      return iterate
    end)
  end
  return iterate
end

return { careful = careful, seek = seek, spread = spread, prepare = prepare, texts = texts, raise = raise,
  entries = entries, BARRED = BARRED, IN_C = IN_C, FRONTED = FRONTED, planned = planned, spend = spend }
