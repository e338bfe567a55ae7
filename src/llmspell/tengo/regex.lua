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
local MAX_SIZE, MAX_REPEAT, MAX_DEPTH = 20000, 1000, 100

local CLASSES = {
  d = { 48, 57 }, w = { 48, 57, 65, 90, 95, 95, 97, 122 }, s = { 9, 10, 12, 13, 32, 32 },
  alnum = { 48, 57, 65, 90, 97, 122 }, alpha = { 65, 90, 97, 122 }, ascii = { 0, 127 }, blank = { 9, 9, 32, 32 }, cntrl = { 0, 31, 127, 127 },
  digit = { 48, 57 }, graph = { 33, 126 }, lower = { 97, 122 }, print = { 32, 126 }, punct = { 33, 47, 58, 64, 91, 96, 123, 126 },
  space = { 9, 13, 32, 32 }, upper = { 65, 90 }, word = { 48, 57, 65, 90, 95, 95, 97, 122 }, xdigit = { 48, 57, 65, 70, 97, 102 },
}
local LAST = 0x10FFFF

local function negated(ranges)
  local sorted, out, from = {}, {}, 0
  for i = 1, #ranges, 2 do sorted[#sorted + 1] = { ranges[i], ranges[i + 1] } end
  inside.table.sort(sorted, function(a, b) return a[1] < b[1] end)
  for _, pair in next, sorted do
    if pair[1] > from then out[#out + 1], out[#out + 2] = from, pair[1] - 1 end
    if pair[2] + 1 > from then from = pair[2] + 1 end
  end
  if from <= LAST then out[#out + 1], out[#out + 2] = from, LAST end
  return out
end

local function with(ranges, more)
  for i = 1, #more do ranges[#ranges + 1] = more[i] end
end

-- Both cases of the letters, where letters are ASCII.
local function folded(ranges)
  local out = {}
  for i = 1, #ranges, 2 do
    local a, b = ranges[i], ranges[i + 1]
    with(out, { a, b })
    local low, high = a < 65 and 65 or a, b > 90 and 90 or b
    if low <= high then with(out, { low + 32, high + 32 }) end
    low, high = a < 97 and 97 or a, b > 122 and 122 or b
    if low <= high then with(out, { low - 32, high - 32 }) end
  end
  return out
end

-- Reading a pattern. -------------------------------------------------------------------------------

local function parse(pattern)
  if not utf8len(pattern) then return nil, "invalid UTF-8" end
  local at, size, groups, why, depth = 1, #pattern, 0, nil, 0
  local names = {}
  local flags = {}

  local function fail(text)
    why = why or text
    at = size + 1
    return { op = "empty" }
  end
  local function code_at(i)
    local code = utf8code(pattern, i)
    return code, i + #utf8char(code)
  end
  local SIMPLE = { a = 7, f = 12, n = 10, r = 13, t = 9, v = 11 }

  -- After a backslash: ranges of a class, or a code.
  local function escaped()
    local c = sub(pattern, at, at)
    if c == "" then return fail("trailing backslash at end of expression: ``") and nil end
    local lower = inside.string.lower(c)
    if lower == "d" or lower == "w" or lower == "s" then
      at = at + 1
      return c == lower and CLASSES[lower] or negated(CLASSES[lower])
    end
    if c == "x" then
      local hex, after = match(pattern, "^{(%x+)}()", at + 1)
      if not hex then hex, after = match(pattern, "^(%x%x)()", at + 1) end
      local code = hex and #hex < 8 and tonumber(hex, 16)
      if not code or code > LAST then
        fail("invalid escape sequence: `\\x`")
        return nil
      end
      at = after
      return { code, code }
    end
    local digits = match(c, "%d") and match(pattern, "^0?[0-7]?[0-7]?[0-7]?", at)
    if c == "0" then
      at = at + #digits
      local code = tonumber(digits, 8)
      return { code, code }
    end
    if SIMPLE[c] then
      at = at + 1
      return { SIMPLE[c], SIMPLE[c] }
    end
    if find(c, "[%w\128-\255]") then
      fail("invalid escape sequence: `\\" .. c .. "`")
      return nil
    end
    at = at + 1
    return { byte(c), byte(c) }
  end

  local function class()
    local ranges, negate = {}, false
    at = at + 1
    if sub(pattern, at, at) == "^" then negate, at = true, at + 1 end
    local first = true
    while first or sub(pattern, at, at) ~= "]" do
      counted()
      if at > size then return fail("missing closing ]: `" .. sub(pattern, 1, 40) .. "`") end
      local not_, name, after = match(pattern, "^%[:(%^?)(%a+):%]()", at)
      local low
      if name then
        if not CLASSES[name] or #name == 1 then return fail("invalid character class range: `[:" .. name .. ":]`") end
        with(ranges, not_ == "^" and negated(CLASSES[name]) or CLASSES[name])
        at = after
      elseif sub(pattern, at, at) == "\\" then
        at = at + 1
        local set = escaped()
        if not set then return { op = "empty" } end
        if #set == 2 and set[1] == set[2] then low = set[1] else with(ranges, set) end
      else
        low, at = code_at(at)
      end
      if low then
        local high = low
        if sub(pattern, at, at) == "-" and sub(pattern, at + 1, at + 1) ~= "]" and at < size then
          at = at + 1
          if sub(pattern, at, at) == "\\" then
            at = at + 1
            local set = escaped()
            if not set then return { op = "empty" } end
            high = #set == 2 and set[1] == set[2] and set[1] or -1
          else
            high, at = code_at(at)
          end
          if high < low then return fail("invalid character class range") end
        end
        with(ranges, { low, high })
      end
      first = false
    end
    at = at + 1
    if flags.i then ranges = folded(ranges) end
    return { op = "set", ranges = negate and negated(ranges) or ranges }
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
      else
        local on, off, stop
        on, off, stop, after = match(pattern, "^%?([imsU]*)(%-?[imsU]*)([:)])()", at)
        if not on or off == "-" then return fail("invalid or unsupported Perl syntax: `(" .. sub(pattern, at, at + 1) .. "`") end
        for c in inside.gmatch(on, ".") do flags[c] = true end
        for c in inside.gmatch(off, "%a") do flags[c] = nil end
        at = after
        if stop == ")" then return { op = "empty" } end
      end
    else
      groups = groups + 1
      index = groups
    end
    depth = depth + 1
    if depth > MAX_DEPTH then return fail("expression nests too deeply") end
    local node = alternatives()
    depth = depth - 1
    if sub(pattern, at, at) ~= ")" then return fail("missing closing ): `" .. sub(pattern, 1, 40) .. "`") end
    at = at + 1
    flags.i, flags.m, flags.s, flags.U = saved.i, saved.m, saved.s, saved.U
    return index and { op = "group", index = index, node } or node
  end

  local function atom()
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
    if c == "*" or c == "+" or c == "?" then return fail("missing argument to repetition operator: `" .. c .. "`") end
    if c == "\\" then
      local what = sub(pattern, at + 1, at + 1)
      if what == "A" or what == "z" or what == "b" or what == "B" then
        at = at + 2
        return { op = "assert", what = what }
      end
      if what == "Q" then
        local stop = find(pattern, "\\E", at + 2, true)
        local node, to = { op = "all" }, stop and stop - 1 or size
        at = at + 2
        while at <= to do
          counted()
          local code
          code, at = code_at(at)
          node[#node + 1] = { op = "set", ranges = flags.i and folded({ code, code }) or { code, code } }
        end
        at = stop and stop + 2 or at
        return node
      end
      at = at + 1
      local set = escaped()
      if not set then return { op = "empty" } end
      return { op = "set", ranges = flags.i and folded(set) or set }
    end
    local code
    code, at = code_at(at)
    return { op = "set", ranges = flags.i and folded({ code, code }) or { code, code } }
  end

  local function repeated()
    local node = atom()
    local times = 0
    while true do
      local c, least, most = sub(pattern, at, at), nil, nil
      if c == "*" then least, most, at = 0, false, at + 1
      elseif c == "+" then least, most, at = 1, false, at + 1
      elseif c == "?" then least, most, at = 0, 1, at + 1
      else
        local low, comma, high, after = match(pattern, "^{(%d+)(,?)(%d*)}()", at)
        if not low or comma == "" and high ~= "" then return node end
        least = tonumber(low)
        most = comma == "" and least or high ~= "" and tonumber(high) or false
        if least > MAX_REPEAT or most and (most > MAX_REPEAT or most < least) then return fail("invalid repeat count") end
        at = after
      end
      times = times + 1
      if times > 3 then return fail("invalid nested repetition operator") end
      local lazy = sub(pattern, at, at) == "?"
      if lazy then at = at + 1 end
      if flags.U then lazy = not lazy end
      node = { op = "repeat", least = least, most = most, lazy = lazy, node }
    end
  end

  local function sequence()
    local node = { op = "all" }
    while at <= size and not find(sub(pattern, at, at), "[|)]") do
      counted()
      node[#node + 1] = repeated()
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
  if not why and at <= size then fail("unexpected ): `" .. sub(pattern, 1, 40) .. "`") end
  if why then return nil, "error parsing regexp: " .. why end
  return tree, groups, names
end

-- Instructions: set ranges, split first second, jump to, save slot, assert what, match. ------------------

local function assemble(tree, groups)
  local code, over = {}, false
  local function emit(op, x, y)
    if #code >= MAX_SIZE then over = true end
    code[#code + 1] = { op = op, x = x, y = y }
    return #code
  end
  local walk
  local function times(node, least, most, lazy)
    for _ = 1, least do
      if over then return end
      walk(node)
    end
    if most == false then
      local split = emit("split")
      walk(node)
      emit("jump", split)
      if lazy then code[split].x, code[split].y = #code + 1, split + 1 else code[split].x, code[split].y = split + 1, #code + 1 end
    else
      local splits = {}
      for _ = least + 1, most do
        if over then return end
        splits[#splits + 1] = emit("split")
        walk(node)
      end
      for _, split in next, splits do
        if lazy then code[split].x, code[split].y = #code + 1, split + 1 else code[split].x, code[split].y = split + 1, #code + 1 end
      end
    end
  end
  function walk(node)
    counted()
    if over then return end
    local op = node.op
    if op == "set" then
      local ranges, low = node.ranges, {}
      for i = 1, #ranges, 2 do
        for c = ranges[i], ranges[i + 1] < 127 and ranges[i + 1] or 127 do low[c] = true end
      end
      emit("set", low, ranges)
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
      local hit = c and item.x[c]
      if c and not hit and c > 127 then
        local ranges = item.y
        for r = 1, #ranges, 2 do
          if c >= ranges[r] and c <= ranges[r + 1] then
            hit = true
            break
          end
        end
      end
      if hit then n = follow(list[k] + 1, marks, i + width, i + width, after, after_marks, n) end
    end
    list, marks_of, count = after, after_marks, n
    if not c then return found end
    i = i + width
  end
end

local cache, cached = {}, 0
local function compile(pattern)
  if cache[pattern] then return cache[pattern] end
  if #pattern > 10000 then return nil, "error parsing regexp: expression too large" end
  local tree, groups, names = parse(pattern)
  if not tree then return nil, groups end
  local code = assemble(tree, groups)
  if not code then return nil, "error parsing regexp: expression too large" end
  local first = code[1]
  local regex = { code = code, groups = groups, names = names, marks = 2 * groups + 2,
    anchored = first.op == "assert" and (first.x == "^" or first.x == "A") }
  if not find(pattern, "[%^$().%[%]*+?{}|\\]") then regex.literal = pattern end
  if cached >= 50 then cache, cached = {}, 0 end
  cache[pattern], cached = regex, cached + 1
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
