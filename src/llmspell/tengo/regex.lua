-- Regular expressions as RE2 has them: no back references, and time that grows with the text only.
--
-- A pattern is read into a tree, the tree into a list of instructions, and all ways to match are
-- followed at once, so that each place of the text is looked at once for each instruction.

local inside = ...
local T = inside.tengo
local byte, sub, find, match, tonumber, counted, type, next, look =
  inside.string.byte, inside.string.sub, inside.find, inside.match, inside.tonumber, inside.counted, inside.type,
  inside.next, inside.look
local utf8code, utf8len, utf8char = inside.utf8.codepoint, inside.utf8.len, inside.utf8.char
local sets = inside.need("tengo_sets") or inside.ask("tengo_sets")
local LAST, named, has = sets.LAST, sets.named, sets.has
local MAX_SIZE, MAX_RANGES, MAX_REPEAT, MAX_DEPTH = 20000, 500000, 1000, 100

-- Reading a pattern. -------------------------------------------------------------------------------

local function parse(pattern)
  if not utf8len(pattern) then return nil, "invalid UTF-8" end
  local at, size, groups, why, depth = 1, #pattern, 0, nil, 0
  local names, flags = {}, {}

  local function fail(what, shown)
    why = why or what .. (shown and ": `" .. shown .. "`" or "")
    at = size + 1
    return { op = "empty" }
  end
  local function code_at(i)
    local code = utf8code(pattern, i)
    return code, i + #utf8char(code)
  end
  local SIMPLE = { a = 7, f = 12, n = 10, r = 13, t = 9, v = 11 }

  -- A class as Unicode names it: \pL, \p{Greek}, \P{Greek}, \p{^Greek}.
  local function unicode_class()
    local start, negative = at - 1, sub(pattern, at, at) == "P"
    local not_, name, after = match(pattern, "^{(%^?)([^}]*)}()", at + 1)
    if not name then name, after = match(pattern, "^([^{][\128-\191]*)()", at + 1) end
    local set = name and named("\\p" .. name, negative ~= (not_ == "^"), flags.i)
    if not set then return fail("invalid character class range", sub(pattern, start, (after or 0) - 1)) and nil end
    at = after
    return set
  end

  -- After a backslash: a code, or nil and a set; neither where it is wrong.
  local function escaped()
    local c = sub(pattern, at, at)
    if c == "" then return fail("trailing backslash at end of expression", "") and nil end
    local lower = inside.string.lower(c)
    if lower == "d" or lower == "w" or lower == "s" then
      at = at + 1
      return nil, named(lower, c ~= lower, flags.i)
    end
    if lower == "p" then return nil, unicode_class() end
    if c == "x" then
      local hex, after = match(pattern, "^{(%x+)}()", at + 1)
      if not hex then hex, after = match(pattern, "^(%x%x)()", at + 1) end
      local code = hex and #hex < 8 and tonumber(hex, 16)
      local shown = match(pattern, "^x{%x*[^%x}]?[\128-\191]*", at) or match(pattern, "^x.?[\128-\191]*.?[\128-\191]*", at)
      if not code or code > LAST then return fail("invalid escape sequence", "\\" .. shown) and nil end
      at = after
      return code
    end
    local digits = match(pattern, "^[0-7][0-7]?[0-7]?", at)
    if digits and (c == "0" or #digits > 1) then       -- one digit alone would refer back
      at = at + #digits
      return tonumber(digits, 8)
    end
    local letter = match(pattern, "^[%w\128-\255][\128-\191]*", at)
    if letter and not SIMPLE[c] then return fail("invalid escape sequence", "\\" .. letter) and nil end
    at = at + 1
    return SIMPLE[c] or byte(c)
  end

  local function one(code)
    return { op = "set", ranges = flags.i and sets.folded({ code, code }) or { code, code } }
  end

  -- What is in brackets. Sets alike are one, and there is an end to what all hold.
  local known, held = {}, 0
  local function class()
    local start, singles, others, met, negate = at, {}, {}, {}, false
    at = at + 1
    if sub(pattern, at, at) == "^" then negate, at = true, at + 1 end
    repeat
      counted()
      local from = at
      if at > size then return fail("missing closing ]", sub(pattern, start)) end
      local not_, name, after = match(pattern, "^%[:(%^?)(%a+):%]()", at)
      local low, set
      if name then
        set = #name > 1 and named(name, not_ == "^", flags.i)
        if not set then return fail("invalid character class range", sub(pattern, from, after - 1)) end
        at = after
      elseif sub(pattern, at, at) == "\\" then
        at = at + 1
        low, set = escaped()
        if why then return { op = "empty" } end
      else
        low, at = code_at(at)
      end
      if set and not met[set] then met[set], others[#others + 1] = true, set end
      if low then
        local high = low
        if sub(pattern, at, at) == "-" and sub(pattern, at + 1, at + 1) ~= "]" and at < size then
          at = at + 1
          if sub(pattern, at, at) == "\\" then
            local escape = sub(pattern, at, at + 1)
            at = at + 1
            high = escaped()
            if not high then return fail("invalid escape sequence", escape) end
          else
            high, at = code_at(at)
          end
          if high < low then return fail("invalid character class range", sub(pattern, from, at - 1)) end
        end
        singles[#singles + 1], singles[#singles + 2] = low, high
      end
    until sub(pattern, at, at) == "]"
    at = at + 1
    local text = (flags.i and "i" or "") .. sub(pattern, start, at - 1)
    if not known[text] then
      local ranges = sets.sorted(singles)
      if flags.i then ranges = sets.folded(ranges) end
      for i = 1, #others do ranges = sets.union(ranges, others[i]) end
      if negate then ranges = sets.negated(ranges) end
      known[text], held = ranges, held + #ranges
      if held > MAX_RANGES then return fail("expression too large") end
    end
    return { op = "set", ranges = known[text] }
  end

  local alternatives
  local function group()
    at = at + 1
    local saved = { i = flags.i, m = flags.m, s = flags.s, U = flags.U }
    local index
    if sub(pattern, at, at) == "?" then
      local name, after = match(pattern, "^%?P?<([%w_]+)>()", at)
      if name then
        if names[name] then return fail("duplicate capture group name") end
        groups = groups + 1
        index, names[name], at = groups, groups, after
      elseif find(pattern, "^%?P?<.", at) then
        return fail("invalid named capture", "(" .. match(pattern, "^[^>]*>?", at))
      else
        local on, off, stop
        on, off, stop, after = match(pattern, "^%?([imsU]*)(%-?[imsU]*)([:)])()", at)
        local shown = match(pattern, "^%?[imsU]*%-?[imsU]*[^\128-\191]?[\128-\191]*", at)
        if not on or off == "-" then return fail("invalid or unsupported Perl syntax", "(" .. shown) end
        for c in inside.gmatch(on, ".") do flags[c] = true end
        for c in inside.gmatch(off, "%a") do flags[c] = nil end
        at = after
        if stop == ")" then return nil end
      end
    else
      groups = groups + 1
      index = groups
    end
    depth = depth + 1
    if depth > MAX_DEPTH then return fail("expression nests too deeply") end
    local node = alternatives()
    depth = depth - 1
    if sub(pattern, at, at) ~= ")" then return fail("missing closing )", pattern) end
    at = at + 1
    flags.i, flags.m, flags.s, flags.U = saved.i, saved.m, saved.s, saved.U
    return index and { op = "group", index = index, node } or node
  end

  -- {2}, {2,} or {2,5}: least, most, and where it ends. Nothing where a brace is only a brace.
  local function counts()
    local low, comma, high, after = match(pattern, "^{(%d+)(,?)(%d*)}()", at)
    if not low or comma == "" and high ~= "" or find(low, "^0%d") or find(high, "^0%d") then return end
    local least = tonumber(low)
    return least, comma == "" and least or tonumber(high) or false, after
  end

  -- An operator of repetition with nothing before it.
  local function lonely()
    local _, _, after = counts()
    local operator = after and sub(pattern, at, after - 1) or match(pattern, "^[*+?]%??", at)
    return operator and fail("missing argument to repetition operator", operator)
  end

  -- What is next, or nothing where there are only flags, or letters between \Q and \E, which `list` is given.
  local function atom(list)
    local c = sub(pattern, at, at)
    if c == "(" then return group() end
    if c == "[" then return class() end
    if c == "." then
      at = at + 1
      return { op = "set", ranges = flags.s and { 0, LAST } or { 0, 9, 11, LAST } }
    end
    if c == "^" or c == "$" then
      at = at + 1
      return { op = "assert", what = (flags.m and "m" or "") .. c }
    end
    if lonely() then return { op = "empty" } end
    if c == "\\" then
      local what = sub(pattern, at + 1, at + 1)
      if what == "A" or what == "z" or what == "b" or what == "B" then
        at = at + 2
        return { op = "assert", what = what }
      end
      if what == "Q" then
        local stop = find(pattern, "\\E", at + 2, true)
        local to = stop and stop - 1 or size
        at = at + 2
        while at <= to do
          counted()
          local code, after = code_at(at)
          list[#list + 1], at = one(code), after
        end
        at = stop and stop + 2 or at
        return nil
      end
      at = at + 1
      local code, set = escaped()
      if why then return { op = "empty" } end
      return code and one(code) or { op = "set", ranges = set }
    end
    local code
    code, at = code_at(at)
    return one(code)
  end

  local function repeated(node)
    if not node then return lonely() end
    local before                                   -- where an operator right before began
    while true do
      local start, c, least, most, after = at, sub(pattern, at, at), nil, nil, nil
      if c == "*" then least, most, at = 0, false, at + 1
      elseif c == "+" then least, most, at = 1, false, at + 1
      elseif c == "?" then least, most, at = 0, 1, at + 1
      else
        least, most, after = counts()
        if not least then return node end
        at = after
        local wrong = least > MAX_REPEAT or most and (most > MAX_REPEAT or most < least)
        if wrong then return fail("invalid repeat count", sub(pattern, start, after - 1)) end
      end
      local lazy = sub(pattern, at, at) == "?"
      if lazy then at = at + 1 end
      if before then return fail("invalid nested repetition operator", sub(pattern, before, at - 1)) end
      before = start
      if flags.U then lazy = not lazy end
      node = { op = "repeat", least = least, most = most, lazy = lazy, node }
    end
  end

  local function sequence()
    local node = { op = "all" }
    while at <= size and not find(sub(pattern, at, at), "[|)]") do
      counted()
      local made = atom(node)
      if not made then made, node[#node] = node[#node], nil end  -- an operator is then of what is before
      node[#node + 1] = repeated(made)
    end
    return node
  end

  function alternatives()
    local node = { op = "any", sequence() }
    while sub(pattern, at, at) == "|" do
      at = at + 1
      node[#node + 1] = sequence()
    end
    return #node == 1 and node[1] or node
  end

  local tree = alternatives()
  if not why and at <= size then fail("unexpected )", pattern) end
  if why then return nil, "error parsing regexp: " .. why end
  return tree, groups, names, held
end

-- Instructions: set ranges, split first second, jump to, save slot, assert what, match. ------------------

local function assemble(tree, groups)
  local code, over, lows = {}, false, {}
  local function emit(op, x, y)
    if #code >= MAX_SIZE then over = true end
    code[#code + 1] = { op = op, x = x, y = y }
    return #code
  end
  local walk
  local function times(node, least, most, lazy)
    local function choose(split, more, enough)
      if lazy then more, enough = enough, more end
      code[split].x, code[split].y = more, enough
    end
    for _ = 1, most and least or least - 1 do
      if over then return end
      walk(node)
    end
    local splits = {}
    for _ = least + 1, most or least do
      if over then return end
      splits[#splits + 1] = emit("split")
      walk(node)
    end
    if not most then
      -- The choice stands behind a round: after one that took no text goes on what comes behind, before
      -- the other ways of that round, as RE2 has it.
      if least == 0 then splits[1] = emit("split") end
      local round = #code + 1
      walk(node)
      local split = emit("split")
      choose(split, round, split + 1)
    end
    for _, split in next, splits do choose(split, split + 1, #code + 1) end
  end
  function walk(node)
    counted()
    if over then return end
    local op = node.op
    if op == "set" then
      local ranges = node.ranges
      local low = lows[ranges]
      if not low then
        low = {}
        lows[ranges] = low
        for i = 1, #ranges, 2 do
          if ranges[i] > 127 then break end
          for c = ranges[i], ranges[i + 1] < 127 and ranges[i + 1] or 127 do low[c] = true end
        end
      end
      emit("set", low, (ranges[#ranges] or 0) > 127 and ranges)
    elseif op == "all" then
      for i = 1, #node do walk(node[i]) end
    elseif op == "any" then
      local jumps = {}
      for i = 1, #node - 1 do
        local split = emit("split")
        walk(node[i])
        jumps[#jumps + 1] = emit("jump")
        code[split].x, code[split].y = split + 1, #code + 1
      end
      walk(node[#node])
      for _, jump in next, jumps do code[jump].x = #code + 1 end
    elseif op == "group" then
      emit("save", 2 * node.index + 1)
      walk(node[1])
      emit("save", 2 * node.index + 2)
    elseif op == "repeat" then
      times(node[1], node.least, node.most, node.lazy)
    elseif op == "assert" then
      emit("assert", node.what)
    end
  end
  walk(tree)
  emit("match")
  if over then return nil end
  return code
end

-- Matching. -----------------------------------------------------------------------------------------

local function is_word(c) return c and (c >= 48 and c <= 57 or c >= 65 and c <= 90 or c == 95 or c >= 97 and c <= 122) or false end

local function holds(what, s, i)
  if what == "^" or what == "A" then return i == 1 end
  if what == "$" or what == "z" then return i == #s + 1 end
  if what == "m^" then return i == 1 or byte(s, i - 1) == 10 end
  if what == "m$" then return i == #s + 1 or byte(s, i) == 10 end
  local edge = is_word(byte(s, i - 1)) ~= is_word(byte(s, i))
  if i == 1 then edge = is_word(byte(s, 1)) end
  return edge == (what == "b")
end

-- The first match from `start` on: its marks, 1 and 2 for the whole, then two for each group.
local function run(regex, s, start, wanted)
  local code, size = regex.code, #s
  local seen, stack = {}, {}
  local found
  local list, marks_of, count = {}, {}, 0

  -- Follows what takes no text; stack items are instructions with their marks.
  local function follow(pc, marks, i, generation, into, into_marks, n)
    local top = 1
    stack[1], stack[2] = pc, marks
    while top > 0 do
      counted()
      pc, marks = stack[2 * top - 1], stack[2 * top]
      top = top - 1
      while pc and seen[pc] ~= generation do
        seen[pc] = generation
        local item = code[pc]
        local op = item.op
        if op == "jump" then pc = item.x
        elseif op == "split" then
          top = top + 1
          stack[2 * top - 1], stack[2 * top] = item.y, marks
          pc = item.x
        elseif op == "save" then
          if wanted then
            local copy = {}
            for k = 1, regex.marks do copy[k] = marks[k] end
            copy[item.x] = i
            marks = copy
          end
          pc = pc + 1
        elseif op == "assert" then
          pc = holds(item.x, s, i) and pc + 1 or nil
        else
          n = n + 1
          into[n], into_marks[n] = pc, marks
          pc = nil
        end
      end
    end
    return n
  end

  local i = start
  while true do
    local c = byte(s, i)
    local width = 1
    if c and c >= 128 then
      if utf8len(s, i, i) == 1 then
        c = utf8code(s, i)
        width = c < 0x800 and 2 or c < 0x10000 and 3 or 4
      else
        c = 0xFFFD
      end
    end
    if not found then
      if count == 0 and regex.anchored and i > 1 then return nil end
      count = follow(1, { i }, i, i, list, marks_of, count)
    end
    if count == 0 and found then return found end
    local after, after_marks, n = {}, {}, 0
    for k = 1, count do
      counted()
      local item, marks = code[list[k]], marks_of[k]
      if item.op == "match" then
        found = {}
        for slot = 1, regex.marks do found[slot] = marks[slot] end
        found[2] = i
        if not wanted then return found end
        break
      end
      if c and (item.x[c] or c > 127 and item.y and has(item.y, c)) then n = follow(list[k] + 1, marks, i + width, i + width, after, after_marks, n) end
    end
    list, marks_of, count = after, after_marks, n
    if not c then return found end
    i = i + width
  end
end

local cache, cached, weight = {}, 0, 0
local function compile(pattern)
  if cache[pattern] then return cache[pattern] end
  if #pattern > 10000 then return nil, "error parsing regexp: expression too large" end
  local tree, groups, names, held = parse(pattern)
  if not tree then return nil, groups end
  local code = assemble(tree, groups)
  if not code then return nil, "error parsing regexp: expression too large" end
  local first = code[1]
  local regex = { code = code, groups = groups, names = names, marks = 2 * groups + 2,
    anchored = first.op == "assert" and (first.x == "^" or first.x == "A") }
  if not find(pattern, "[%^$().%[%]*+?{}|\\]") then regex.literal = pattern end
  held = held + #code
  if cached >= 50 or weight + held > MAX_RANGES then cache, cached, weight = {}, 0, 0 end
  cache[pattern], cached, weight = regex, cached + 1, weight + held
  return regex
end

local function search(regex, s, start, wanted)
  if regex.literal then
    if #s > 1024 then look() end
    local from, to = find(s, regex.literal, start, true)
    return from and { from, to + 1 }
  end
  return run(regex, s, start, wanted)
end

-- All matches that do not overlap, at most `most` of them, which `f` is given.
local function each(regex, s, most, f)
  local at, last, n = 1, 0, 0
  while n ~= most and at <= #s + 1 do
    counted()
    local marks = search(regex, s, at, true)
    if not marks then break end
    local from, to = marks[1], marks[2]
    if to == from and from == last then          -- an empty match right after another
      at = at + 1
    else
      f(marks)
      n = n + 1
      at = to > from and to or to + 1
      last = to
    end
    while at <= #s and byte(s, at) >= 128 and byte(s, at) < 192 do at = at + 1 end
  end
end

return { compile = compile, search = search, each = each }
