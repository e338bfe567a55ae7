-- Patterns over long texts: what the C library would do in one call that cannot be interrupted is
-- done here in steps. A pattern is taken apart once; then, by what it may cost at worst, C searches
-- on its own, or C tries one start after another, or a matcher in Lua walks through the items.

local inside = ...
local string, next, concat, find, match, gmatch, look, counted, setmetatable, floor, huge, pcall =
  inside.string, inside.next, inside.concat, inside.find, inside.match, inside.gmatch, inside.look,
  inside.counted, inside.setmetatable, inside.math.floor, inside.math.huge, inside.pcall
local byte, char, sub = string.byte, string.char, string.sub

local BUDGET = 1e7                                 -- steps of C's matcher in one call: 10 to 50 ms
local FREE = 1e5                                   -- as many are not worth a look at the clock
local IN_C, BY_START, BY_ITEM, FRONTED = 1, 2, 3, 4
local SINGLE, GREEDY, LAZY, MAYBE, OPEN, CLOSE, HERE, BACK, BALANCE, FRONTIER, LAST, END, WRONG =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
local SUFFIX = { [42] = GREEDY, [43] = GREEDY, [45] = LAZY, [63] = MAYBE }

local sets = inside.need("sets")
local members, apart, escaped, class_of, NUL =
  sets.members, sets.apart, sets.escaped, sets.class_of, sets.NUL

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
      if level > 32 then item = { op = WRONG, like = "()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()" }
      elseif d == 41 then item, closed[level] = { op = HERE, index = level }, true
      else item, closed[level] = { op = OPEN, index = level }, false end
      i = i + (d == 41 and 2 or 1)
    elseif c == 41 then
      local k = level
      while k > 0 and closed[k] do k = k - 1 end
      if k == 0 then item = { op = WRONG, like = ")" }
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
        if item.op == GREEDY or item.op == LAZY then item.run = "^" .. text .. "*" end
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
  local final, single_rest, pass = true, true, nil
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
      if op ~= MAYBE and not item.final then single_rest = false end
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
        firsts[k] = { [-1] = item.set[0] }         -- beyond the end there is a NUL
        for c in next, item.set do firsts[k][c] = true end
      else single_rest = false end
      if op == BALANCE then single_rest = false end
    end
    -- Where a lazy dot stops in a run that is taken whole next, it may as well stop behind it.
    if op == LAZY and item.text == "." and pass then item.pass = pass end
    if op == BACK then pass = false
    elseif pass ~= false and (op < OPEN or op > HERE) then pass = item.tame and op < MAYBE and item or nil end
    if op == LAZY and item.follow and not item.tame then
      local between = {}
      for c in next, item.set do if not item.follow[c] then between[c] = true end end
      local text = class_of(between)
      item.skip = text and "^" .. text .. "*"
    end
  end
  return firsts[1]
end

-- What C may need for one start and for all, in steps, where `n` bytes are left and runs of a set
-- are at most so long, and come to that much in sum.
local function cost(items, n, runs)
  local one, all = 1, n
  for k = #items, 1, -1 do
    if k % 64 == 0 then counted() end
    local item = items[k]
    local op, weight = item.op, item.text and 1 + #item.text / 8 or 1
    if op == GREEDY or op == LAZY then
      local run = runs and runs[item.text]
      local most, sum = run and run[1] or n, run and run[2] or n * n
      if item.final then
        one, all = weight, n * weight
      elseif item.sure or item.tame then
        one, all = 2 * most * weight + one, (n + sum) * weight + n * one
      else
        local again = (most + 1) * one
        one, all = most * weight + (again < all and again or all), sum * weight + (most + 1) * all
      end
    elseif op == MAYBE then
      local times = (item.sure or item.tame) and 1 or 2
      one, all = weight + times * one, n * weight + times * all
    elseif op == BALANCE or op == BACK then
      one, all = n + one, n * n + n * one
    elseif item.text then
      one, all = weight + one, n * weight + all
    end
    if all > n * one then all = n * one end
  end
  return one, all
end

-- The longest text that costs no more than `most`.
local function longest(plan, most)
  local low, high = 0, 2 ^ 24
  while high - low > 1 do
    local middle = floor((low + high) / 2)
    local one, all = cost(plan.items, middle)
    if (plan.anchor and one or all) + middle <= most then low = middle else high = middle end
  end
  return low
end

-- Where a match can start at all, and what a start that failed rules out.
local function aim(plan, firsts)
  local items, head, k, back = plan.items, {}, 1, false
  local leading
  for i = 1, #items do
    local op = items[i].op
    if op == BACK or op == WRONG then back = true end
    if not leading and (op < OPEN or op > HERE) then leading = items[i] end
  end
  repeat
    local item, more = items[k], true
    local op = item.op
    if item.text and #item.text > 40 then more = false
    elseif op == SINGLE or op == GREEDY and item.least == 1 then
      head[#head + 1] = #item.text == 1 and item.text ~= "." and escaped(byte(item.text)) or item.text
      more = op == SINGLE
    elseif op == FRONTIER then head[#head + 1] = item.text
    else
      if op == BALANCE then head[#head + 1] = escaped(item.x) end
      more = op >= OPEN and op <= HERE
    end
    k = k + 1
  until not more or #head == 8
  if #head > 0 then
    plan.jump = concat(head)
  elseif firsts then
    local size = 0
    for _ in next, firsts do size = size + 1 end
    if size < 200 then plan.jump, plan.tail = class_of(firsts), firsts[-1] end
  end
  if leading.tame and not back and leading.op < MAYBE then
    plan.leading = leading
    if leading.least == 1 and plan.jump then
      plan.onward = "%f" .. class_of(leading.set) .. plan.jump
    else
      local others = {}
      for c = 0, 255 do others[c] = not leading.set[c] or nil end
      plan.off = class_of(others)
    end
  end
  -- Whether a match costs about its own length, and a failure the way to the next start.
  local cheap, frugal, linear, optional, lazy = firsts and true, true, true, 0, 0
  for i = 1, #items do
    local item = items[i]
    local op = item.op
    if op == MAYBE then optional = optional + 1
    elseif op == BALANCE or op == BACK then cheap, frugal, linear = false, false, false
    elseif (op == GREEDY or op == LAZY) and not item.final then
      linear = false
      if not item.tame or not firsts or item ~= leading and not apart(item.set, firsts) then cheap = false end
      if op == LAZY and not item.tame and item.rest_single then lazy = lazy + 1
      elseif not item.tame and not item.sure then frugal = false end
    end
  end
  plan.cheap = cheap and optional < 4
  if plan.cheap and plan.onward and not plan.anchor then
    -- Tried once in a run only, C needs no more time than the text is long.
    local front, final = "%f" .. class_of(leading.set), #items - 1
    plan.fronted, plan.front, plan.frontier = front .. plan.body, leading.set, front
    while items[final].op == CLOSE do final = final - 1 end
    -- Whether no match ends within such a run, where the next would have to start. What a NUL may be
    -- part of has no front at the start of the text.
    local clean = items[final].final
    if items[#items - 1].op == LAST then clean, final = true, nil end
    clean = clean and not leading.set[0]
    for c in next, leading.set do clean = clean and (not final or items[final].set[c]) end
    if clean then plan.clean = front end
  end
  plan.frugal, plan.linear = frugal and lazy < 2 and optional < 4, linear and optional < 4
end

local plans, plan_count, most = {}, 0, inside.most
local function planned(p, repeated)
  local key = repeated and byte(p) == 94 and p .. "\0^" or p
  local plan = plans[key]
  if plan then return plan end
  local text = p
  if NUL == "%z" and find(p, "%z") then text = match(p, "^[^%z]*") end
  plan = { anchor = byte(p) == 94 and not repeated, size = -1 }
  local items, count, closed, wrong = parse(text, plan.anchor and 2 or 1)
  plan.items, plan.count, plan.closed, plan.broken = items, count, closed, wrong
  for k = 1, count do if not closed[k] then plan.broken, plan.open = true, true end end
  plan.body = plan.anchor and sub(text, 2) or key ~= p and "%" .. text or text
  plan.text, plan.whole = "^" .. plan.body, plan.anchor and text or plan.body
  aim(plan, link(items))
  if not plan.broken and not plan.anchor and count < 32 and #items > 1 and items[#items - 1].op ~= LAST then
    -- The same, telling where a match ends.
    plan.told = count == 0 and "(" .. plan.body .. ")()" or plan.body .. "()"
    -- Never empty, and the same when what went before is cut off.
    for k = 1, #items do
      local item = items[k]
      if item.op == SINGLE or item.op == GREEDY and item.least == 1 then plan.forward = plan.forward ~= false
      elseif item.op == FRONTIER or item.op == HERE then plan.forward = false end
    end
  end
  if plan.linear and count == 0 and not plan.broken and not repeated and #p < 40 then
    inside.linear[p] = true
  end
  plan.free = #items <= 200 and longest(plan, FREE) or 0
  if #p <= 256 then
    if plan_count > 64 then plans, plan_count = {}, 0 end
    plans[key], plan_count = plan, plan_count + 1
    if most[p] and most[p] < plan.free and key == p then most[p] = plan.free end
  end
  return plan
end

-- How long the runs of a set are in this text: what makes trimming cheap in all real texts.
local function survey(s, size, text)
  local longest_run, sum, left = 4, size * 4, 500 + size / 50
  for from, to in gmatch(s, "()" .. text .. text .. text .. text .. text .. "*()") do
    counted()
    local run = to - from
    if run > longest_run then longest_run = run end
    sum, left = sum + run * (run + 1), left - 1
    if left < 0 or sum > BUDGET then return end
  end
  look()
  return { longest_run, sum }
end

local surveyed = {}                                -- of the last text only
local function decide(plan, s, size)
  if plan.broken then return size <= plan.free and IN_C or BY_ITEM, huge, huge end
  if plan.size ~= size then
    plan.size, plan.one, plan.all = size, cost(plan.items, size)
    if plan.anchor then plan.all = plan.one end
  end
  local one, all = plan.one, plan.all
  if all > BUDGET and plan.fronted and not plan.anchor and size <= BUDGET / 4 then
    return FRONTED, one, all
  end
  if all > BUDGET then
    local calm = { 4, size * 4 }
    local one_, all_ = cost(plan.items, size, setmetatable({}, { __index = function(_, text)
      return text ~= "." and calm or nil
    end }))
    if plan.anchor then all_ = one_ end
    if all_ <= BUDGET or one > BUDGET and one_ <= BUDGET then
      if surveyed.text ~= s then surveyed = { text = s } end
      for k = 1, #plan.items do
        local text = plan.items[k].run and plan.items[k].text
        if text and text ~= "." and surveyed[text] == nil then surveyed[text] = survey(s, size, text) or false end
      end
      one, all = cost(plan.items, size, surveyed)
      if plan.anchor then all = one end
    end
  end
  return all <= BUDGET and IN_C or one <= BUDGET and BY_START or BY_ITEM, one, all
end

return { planned = planned, decide = decide }
