-- The matcher: one start of a pattern, item by item, in steps. See the part patterns for the items.

local inside = ...
local string, select, find, match, look, counted, getinfo, error, pcall, setmetatable, weak =
  inside.string, inside.select, inside.find, inside.match, inside.look, inside.counted,
  inside.getinfo, inside.error, inside.pcall, inside.setmetatable, inside.weak
local byte, sub = string.byte, string.sub

local SINGLE, GREEDY, LAZY, MAYBE, OPEN, CLOSE, HERE, BACK, BALANCE, FRONTIER, LAST, END =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12

-- Functions a script calls -> whether errors name its line: C's do in iterators, and where a tail
-- call leaves no frame.
local entries = setmetatable({}, weak)

-- Raises what C says about a call that is wrong in the same way.
local function raise(f, ...)
  local text, level = select(2, pcall(f, "a", ...)), 2
  while true do
    local info = getinfo(level, "f")
    if not info then break end
    local named = entries[info.func]
    if named ~= nil then
      local above = named and getinfo(level + 1, "Sl")
      if above and above.currentline > 0 then
        text = above.short_src .. ":" .. above.currentline .. ": " .. text
      end
      break
    end
    level = level + 1
  end
  error(text, 0)
end

-- The matcher. ----------------------------------------------------------------------------------

-- After C has passed over so much: a step for every thousand bytes.
local function far(from, to)
  if to - from > 10000 then look() end
  for _ = from + 1000, to, 1000 do counted() end
end

-- Where a lazy repetition can stop first, from `at` on.
local function reach(item, s, at)
  local follow = item.follow
  if not follow then return at end
  if item.skip then
    local _, stop = find(s, item.skip, at)
    far(at, stop)
    at = stop + 1
  end
  return follow[byte(s, at) or -1] and at
end

local function balanced(item, s, i)
  if byte(s, i) ~= item.x then return nil end
  local depth = 1
  while true do
    counted()
    local from = i
    i = find(s, item.both, i + 1)
    if not i then
      far(from, #s)
      return nil
    end
    far(from, i)
    if byte(s, i) == item.y then
      depth = depth - 1
      if depth == 0 then return i + 1 end
    else
      depth = depth + 1
    end
  end
end

local function captured(marks, k, s)
  local from, to = marks[2 * k - 1], marks[2 * k]
  if to == -1 then return from end
  return to and sub(s, from, to - 1)
end

-- One start, item by item. Choices that are left lie on a stack: item, least, where.
local function walk(work, start)
  local items, s, size, marks, stack = work.plan.items, work.s, work.size, work.marks, work.stack
  local k, top, i = 1, 0, start
  while true do
    counted()
    local item = items[k]
    local op, ok = item.op, true
    k = k + 1
    if op == SINGLE then
      ok = item.set[byte(s, i) or -1]
      i = i + 1
    elseif op == GREEDY or op == LAZY and item.tame then
      local _, last = find(s, item.run, i)
      far(i, last)
      local least = i + item.least
      ok = last + 1 >= least
      if last >= least and not item.tame and not item.sure then
        stack[top + 1], stack[top + 2], stack[top + 3] = k - 1, least, last + 1
        top = top + 3
      end
      i = last + 1
    elseif op == LAZY then
      if not item.sure then
        i = reach(item, s, i)
        ok = i
        if i then
          stack[top + 1], stack[top + 2], stack[top + 3] = k - 1, 0, i
          top = top + 3
        end
      end
    elseif op == MAYBE then
      if item.set[byte(s, i) or -1] then
        if not item.tame and not item.sure then
          stack[top + 1], stack[top + 2], stack[top + 3] = k - 1, 0, i
          top = top + 3
        end
        i = i + 1
      end
    elseif op == OPEN then
      marks[2 * item.index - 1], marks[2 * item.index] = i, false
    elseif op == CLOSE then
      marks[2 * item.index] = i
    elseif op == HERE then
      marks[2 * item.index - 1], marks[2 * item.index] = i, -1
    elseif op == FRONTIER then
      ok = not item.set[i > 1 and byte(s, i - 1) or 0] and item.set[byte(s, i) or 0]
    elseif op == BACK then
      local from, to = marks[2 * item.index - 1], marks[2 * item.index]
      local last = i + to - from - 1
      ok = to ~= -1 and last <= size
      if ok then
        far(from, to)
        ok = sub(s, i, last) == sub(s, from, to - 1)
        i = last + 1
      end
    elseif op == BALANCE then
      i = balanced(item, s, i)
      ok = i
    elseif op == LAST then
      ok = i == size + 1
    elseif op == END then
      local count = work.plan.count
      if count == 0 then return start, i - 1 end
      if count <= 4 then
        return start, i - 1, captured(marks, 1, s), count > 1 and captured(marks, 2, s),
          count > 2 and captured(marks, 3, s), count > 3 and captured(marks, 4, s)
      end
      local list = {}
      for c = 1, count do list[c] = captured(marks, c, s) end
      return start, i - 1, list
    else
      raise(match, item.like)
    end
    while not ok do
      if top == 0 then return nil end
      local at
      k, at = stack[top - 2], stack[top]
      item = items[k]
      local set, follow = item.set, item.follow
      if item.op == GREEDY then
        local least = stack[top - 1]
        at = at - 1
        if follow then
          while at >= least and not follow[byte(s, at) or -1] do
            counted()
            at = at - 1
          end
        end
        if at >= least then i, ok = at, true end
        if at <= least then top = top - 3 else stack[top] = at end
      elseif item.op == MAYBE then
        i, ok, top = at, true, top - 3
      else
        counted()
        local pass, from, _ = item.pass, at, nil
        if pass and pass.set[byte(s, at) or -1] then
          _, at = find(s, pass.run, at)
          far(from, at)
        end
        at = set[byte(s, at) or -1] and reach(item, s, at + 1)
        if at then i, ok, stack[top] = at, true, at else top = top - 3 end
      end
      k = k + 1
    end
  end
end

return { walk = walk, far = far, raise = raise, entries = entries }
