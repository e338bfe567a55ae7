-- The module text.

local inside = ...
local T = inside.tengo
local type, setmetatable, select, next = inside.type, inside.setmetatable, inside.select, inside.next
local sub, byte, rep, lower, upper, find, match, gsub, concat, counted, look, format =
  inside.string.sub, inside.string.byte, inside.string.rep, inside.string.lower, inside.string.upper, inside.find, inside.match,
  inside.gsub, inside.concat, inside.counted, inside.look, inside.format
local U, KEY, OWN, MAP, fail, length, items_of = T.U, T.KEY, T.OWN, T.MAP, T.fail, T.length, T.items_of
local regex                                        -- loaded with the first pattern

local M = {}
local ORDINAL = { "first", "second", "third", "fourth", "fifth" }
local NEEDS = { s = "string(compatible)", i = "int(compatible)", a = "array", c = "string(compatible)", S = "string", I = "int", F = "float", B = "bool" }

-- `kinds` are letters of NEEDS, those behind "|" may be left out.
local function define(name, kinds, f)
  local needed, all = #match(kinds, "^[^|]*"), gsub(kinds, "|", "")
  local shown = "user-function:" .. name
  M[name] = T.known(shown, function(...)
    local args = { ... }
    if #all > 0 then look() end
    for i = 1, select("#", ...) do
      local v, kind, made = args[i], sub(all, i, i), nil
      if kind == "s" or kind == "c" then
        made = T.to_string(v)
      elseif kind == "i" then made = T.to_int(v)
      elseif kind == "a" then made = T.is_array(v) and v or nil
      elseif T.type_name(v) == NEEDS[kind] then made = v end
      if made == nil then T.wrong_type(shown, ORDINAL[i], NEEDS[kind], v) end
      args[i] = made
    end
    local made = f(inside.unpack(args, 1, 5))
    if type(made) == "string" then return T.limited(made) end
    return made
  end, needed, #all)
end

local function array(t, n)
  t[0] = t[1]
  for i = 1, n do
    counted()
    t[i] = t[i + 1]
  end
  return setmetatable(t, OWN)
end

local function characters(s)
  local i = 1
  return function()
    if i > #s then return nil end
    local from = i
    i = T.after(s, i)
    return sub(s, from, i - 1)
  end
end

-- Plain text. -----------------------------------------------------------------------------------------

-- Where text stands, from a place on: false beyond the last.
local function count(s, part)
  if part == "" then return (inside.utf8.len(s) or #s) + 1 end
  local n, at = 0, 1
  while true do
    counted()
    local from, to = find(s, part, at, true)
    if not from then return n end
    n, at = n + 1, to + 1
  end
end

local function split(s, part, most, after)
  local out, n, at = {}, 0, 1
  if most == 0 then return array(out, 0) end
  if part == "" then
    for c in characters(s) do
      counted()
      if most > 0 and n == most - 1 then break end
      n = n + 1
      out[n] = c
      at = at + #c
    end
    if at <= #s then
      n = n + 1
      out[n] = sub(s, at)
    end
    return array(out, n)
  end
  while most < 0 or n < most - 1 do
    counted()
    local from, to = find(s, part, at, true)
    if not from then break end
    n = n + 1
    out[n] = sub(s, at, after and to or from - 1)
    at = to + 1
  end
  n = n + 1
  out[n] = sub(s, at)
  return array(out, n)
end

local function replace(s, old, new, most)
  if most == 0 or old == new then return s end
  local out, at, n, size = {}, 1, 0, #s
  if old == "" then
    for c in characters(s) do
      counted()
      if n ~= most then out[#out + 1], n = new, n + 1 end
      out[#out + 1] = c
    end
    if n ~= most then out[#out + 1] = new end
    return concat(out)
  end
  while n ~= most do
    counted()
    local from, to = find(s, old, at, true)
    if not from then break end
    size = size + #new - #old
    if size > T.max_string then fail("exceeding string size limit") end
    out[#out + 1] = sub(s, at, from - 1)
    out[#out + 1] = new
    at, n = to + 1, n + 1
  end
  out[#out + 1] = sub(s, at)
  return concat(out)
end

define("compare", "ss", function(a, b) return a == b and 0 or a < b and -1 or 1 end)
define("contains", "ss", function(s, part) return find(s, part, 1, true) ~= nil end)
define("contains_any", "ss", function(s, set)
  for c in characters(set) do
    counted()
    if find(s, c, 1, true) then return true end
  end
  return false
end)
define("count", "ss", count)
-- What is white space beyond ASCII.
local WIDE_SPACES, ALL_SPACES = {}, " \t\n\v\f\r"
for _, code in next, { 0x85, 0xA0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200A,
    0x2028, 0x2029, 0x202F, 0x205F, 0x3000 } do
  local c = T.char_text(code)
  WIDE_SPACES[c], ALL_SPACES = " ", ALL_SPACES .. c
end
local function fields(s)
  local out, n = {}, 0
  if find(s, "[\128-\255]") then s = gsub(s, "[\194\225-\227][\128-\191]+", WIDE_SPACES) end
  for word in inside.gmatch(s, "%S+") do
    counted()
    n = n + 1
    out[n] = word
  end
  return array(out, n)
end
define("fields", "s", fields)
define("has_prefix", "ss", function(s, part) return sub(s, 1, #part) == part end)
define("has_suffix", "ss", function(s, part) return part == "" or sub(s, -#part) == part end)
define("index", "ss", function(s, part) return (find(s, part, 1, true) or 0) - 1 end)
local function last_index(s, part)
  if part == "" then return #s end
  local last, at = 0, 1
  while true do
    counted()
    local from = find(s, part, at, true)
    if not from then return last - 1 end
    last, at = from, from + 1
  end
end
define("last_index", "ss", last_index)
define("index_any", "ss", function(s, set)
  local least
  for c in characters(set) do
    counted()
    local from = find(s, c, 1, true)
    if from and (not least or from < least) then least = from end
  end
  return (least or 0) - 1
end)
define("last_index_any", "ss", function(s, set)
  local most = -1
  for c in characters(set) do
    local at = last_index(s, c)
    if at > most then most = at end
  end
  return most
end)
define("join", "as", function(list, between)
  local t, out, size = items_of(list), {}, 0
  for i = 0, length(t) - 1 do
    counted()
    local v = t[i]
    if v == U then T.wrong_type("user-function:join", "first[" .. i .. "]", "string(compatible)", v) end
    out[i + 1] = T.text(v)
    size = size + #out[i + 1] + #between
    if size - #between > T.max_string then fail("exceeding string size limit") end
  end
  return concat(out, between)
end)
define("split", "ss", function(s, part) return split(s, part, -1) end)
define("split_n", "ssi", function(s, part, n) return split(s, part, n) end)
define("split_after", "ss", function(s, part) return split(s, part, -1, true) end)
define("split_after_n", "ssi", function(s, part, n) return split(s, part, n, true) end)
define("repeat", "si", function(s, n)
  if n < 0 then fail("negative repeat count") end
  if #s * n > T.max_string or n > 1 << 40 then fail("exceeding string size limit") end
  return rep(s, n)
end)
define("replace", "sssi", replace)
define("substr", "si|i", function(s, from, to)
  to = to or #s
  if from > to then fail("invalid index type") end
  if from < 0 then from = 0 elseif from > #s then from = #s end
  if to < 0 then to = 0 elseif to > #s then to = #s end
  return sub(s, from + 1, to)
end)
local function padded(s, size, fill)
  fill = fill or " "
  if size > T.max_string or size > 1 << 30 then fail("exceeding string size limit") end
  if size <= #s or fill == "" then return s, "" end
  local room = size - #s
  return s, rep(fill, (room + #fill - 1) // #fill)
end
define("pad_left", "si|s", function(s, size, fill)
  local room
  s, room = padded(s, size, fill)
  return room == "" and s or sub(room .. s, -size)
end)
define("pad_right", "si|s", function(s, size, fill)
  local room
  s, room = padded(s, size, fill)
  return room == "" and s or sub(s .. room, 1, size)
end)
local cases                                        -- loaded with the first letter beyond ASCII
local function cased(s, wanted, ascii, begins)
  if not find(s, "[\128-\255]") then return ascii(s) end
  cases = cases or inside.need("tengo_cases") or inside.ask("tengo_cases")
  return cases(s, wanted, begins)
end
-- Whether a word may begin behind a character.
local function separates(c) return #c == 1 and not find(c, "[%w_\128-\255]") or WIDE_SPACES[c] ~= nil end
define("title", "s", function(s)
  return cased(s, "title", function(all) return (gsub(all, "%f[%w_]%l", upper)) end, separates)
end)
define("to_title", "s", function(s) return cased(s, "title", upper) end)
define("to_lower", "s", function(s) return cased(s, "lower", lower) end)
define("to_upper", "s", function(s) return cased(s, "upper", upper) end)
define("equal_fold", "ss", function(a, b) return cased(a, "fold", lower) == cased(b, "fold", lower) end)

-- What is of `set` at an end.
local function trimmed(s, set, left, right)
  local members = {}
  for c in characters(set) do
    counted()
    members[c] = true
  end
  local from, to = 1, #s
  while left and from <= to do
    counted()
    local after = T.after(s, from)
    if not members[sub(s, from, after - 1)] then break end
    from = after
  end
  while right and to >= from do
    counted()
    local start = to
    while start > from and to - start < 3 and byte(s, start) >= 128 and byte(s, start) < 192 do start = start - 1 end
    if T.after(s, start) ~= to + 1 then start = to end
    if not members[sub(s, start, to)] then break end
    to = start - 1
  end
  return sub(s, from, to)
end
define("trim", "ss", function(s, set) return trimmed(s, set, true, true) end)
define("trim_left", "ss", function(s, set) return trimmed(s, set, true, false) end)
define("trim_right", "ss", function(s, set) return trimmed(s, set, false, true) end)
define("trim_space", "s", function(s) return trimmed(s, ALL_SPACES, true, true) end)
define("trim_prefix", "ss", function(s, part) return part ~= "" and sub(s, 1, #part) == part and sub(s, #part + 1) or s end)
define("trim_suffix", "ss", function(s, part) return part ~= "" and sub(s, -#part) == part and sub(s, 1, -#part - 1) or s end)

-- Numbers. --------------------------------------------------------------------------------------------

local TRUE = { ["1"] = true, t = true, T = true, ["true"] = true, TRUE = true, True = true }
local FALSE = { ["0"] = true, f = true, F = true, ["false"] = true, FALSE = true, False = true }
local function no_number(f, s, why)
  return T.error("strconv." .. f .. ": parsing " .. T.quote(s) .. ": " .. (why or "invalid syntax"))
end
define("atoi", "s", function(s)
  local v, why = T.parse_int(s, 10)
  return v or no_number("Atoi", s, why)
end)
define("itoa", "i", function(v) return format("%d", v) end)
define("format_bool", "B", function(v) return v and "true" or "false" end)
define("format_int", "Ii", function(v, base)
  if base < 2 or base > 36 then fail("invalid base") end
  local out, n, negative = {}, v, v < 0
  repeat
    local q = n // base
    local d = n - q * base
    if negative and d ~= 0 then q, d = q + 1, base - d end
    out[#out + 1] = sub("0123456789abcdefghijklmnopqrstuvwxyz", d + 1, d + 1)
    n = q
  until n == 0
  return (negative and "-" or "") .. inside.string.reverse(concat(out))
end)
define("format_float", "Fcii", function(v, verb, precision, bits)
  if bits ~= 32 and bits ~= 64 then fail("invalid argument: bits must be 32 or 64") end
  local letter, single = sub(verb, 1, 1), bits == 32 and T.single or nil
  if letter == "" or not find("bxXeEfgG", letter, 1, true) then return "%" .. letter end
  if single then v = single(v) end
  if v ~= v or v == 1 / 0 or v == -1 / 0 then return T.float_text(v) end
  local negative = v < 0 or v == 0 and 1 / v < 0
  return (negative and "-" or "") .. T.float_digits(negative and -v or v, letter, precision >= 0 and precision or nil, single)
end)
define("parse_bool", "S", function(s)
  if TRUE[s] then return true elseif FALSE[s] then return false end
  return no_number("ParseBool", s)
end)
define("parse_float", "Si", function(s, bits)
  local v, why = T.parse_float(s)
  if v and bits == 32 and v == v then
    local made = T.single(v)
    if (made == 1 / 0 or made == -1 / 0) and v ~= made then v, why = nil, "value out of range" else v = made end
  end
  return v or no_number("ParseFloat", s, why)
end)
-- Without a base, a prefix says it, and "_" may stand between digits.
local BY_PREFIX = { ["0x"] = 16, ["0b"] = 2, ["0o"] = 8 }
local function prefixed(s)
  local sign, rest = match(s, "^([+-]?)(.*)$")
  local base = BY_PREFIX[lower(sub(rest, 1, 2))]
  local digits = base and sub(rest, 3) or rest
  if not base then base = find(rest, "^0[_%d]") and 8 or 10 end
  local lined = base == BY_PREFIX[lower(sub(rest, 1, 2))] and "0" .. digits or digits
  if find(lined, "__", 1, true) or find(lined, "^_") or find(lined, "_$") then return s, 10 end
  return sign .. gsub(digits, "_", ""), base
end
define("parse_int", "Sii", function(s, base, bits)
  if s == "" then return no_number("ParseInt", s) end
  if base ~= 0 and (base < 2 or base > 36) then return no_number("ParseInt", s, "invalid base " .. base) end
  if bits < 0 or bits > 64 then return no_number("ParseInt", s, "invalid bit size " .. bits) end
  local digits = s
  if base == 0 then digits, base = prefixed(s) end
  local v, why = T.parse_int(digits, base)
  if v and bits > 0 and bits < 64 and (v >= 1 << bits - 1 or v < -(1 << bits - 1)) then v, why = nil, "value out of range" end
  return v or no_number("ParseInt", s, why)
end)
define("quote", "s", T.quote)
define("unquote", "s", function(s) return inside.need("tengo_quote").unquote(s) or T.error("invalid syntax") end)

-- Regular expressions. ----------------------------------------------------------------------------------

local function group(s, from, to)
  return setmetatable({ text = sub(s, from, to - 1), begin = from - 1, ["end"] = to - 1 }, MAP)
end

local function find_all(r, s, most)
  local out, n = {}, 0
  regex.each(r, s, most, function(marks)
    local groups, k = {}, 0
    for i = 1, r.marks, 2 do
      if marks[i] and marks[i + 1] then groups[k], k = group(s, marks[i], marks[i + 1]), k + 1 end
    end
    out[n], n = setmetatable(groups, OWN), n + 1
  end)
  if n == 0 then return U end
  return setmetatable(out, OWN)
end

local function expand(r, s, marks, template)
  local out, at = {}, 1
  while true do
    counted()
    local dollar = find(template, "$", at, true)
    out[#out + 1] = sub(template, at, (dollar or 0) - 1)
    if not dollar then return concat(out) end
    local name, after = match(template, "^{([%w_]+)}()", dollar + 1)
    if not name then name, after = match(template, "^([%w_]+)()", dollar + 1) end
    if sub(template, dollar + 1, dollar + 1) == "$" then
      out[#out + 1], at = "$", dollar + 2
    elseif name then
      local index = match(name, "^%d+$") and #name < 9 and inside.tonumber(name) or r.names[name]
      local from, to = index and marks[2 * index + 1], index and marks[2 * index + 2]
      if from and to then out[#out + 1] = sub(s, from, to - 1) end
      at = after
    else
      out[#out + 1], at = "$", dollar + 1
    end
  end
end

local function replace_all(r, s, template)
  local out, at, size = {}, 1, 0
  regex.each(r, s, -1, function(marks)
    local new = expand(r, s, marks, template)
    out[#out + 1] = sub(s, at, marks[1] - 1)
    out[#out + 1] = new
    size, at = size + #out[#out - 1] + #new, marks[2]
    if size > T.max_string then fail("exceeding string size limit") end
  end)
  out[#out + 1] = sub(s, at)
  return T.limited(concat(out))
end

local function split_all(r, s, most)
  if most == 0 then return setmetatable({}, OWN) end
  local out, n, from = {}, 0, 1
  if not (s == "" or most == 1) then
    regex.each(r, s, -1, function(marks)
      if (most < 0 or n < most - 1) and not (marks[2] == marks[1] and (marks[1] == 1 or marks[1] == #s + 1)) then
        out[n], n, from = sub(s, from, marks[1] - 1), n + 1, marks[2]
      end
    end)
  end
  out[n] = sub(s, from)
  return setmetatable(out, OWN)
end

local function compiled(pattern, f)
  regex = regex or inside.need("tengo_regex") or inside.ask("tengo_regex")
  local r, why = regex.compile(pattern)
  if not r then return T.error(why) end
  return f(r)
end

define("re_match", "ss", function(pattern, s)
  return compiled(pattern, function(r) return regex.search(r, s, 1, false) ~= nil end)
end)
define("re_find", "ss|i", function(pattern, s, most)
  return compiled(pattern, function(r) return find_all(r, s, most or 1) end)
end)
define("re_replace", "sss", function(pattern, s, template)
  return compiled(pattern, function(r) return replace_all(r, s, template) end)
end)
define("re_split", "ss|i", function(pattern, s, most)
  return compiled(pattern, function(r) return split_all(r, s, most or -1) end)
end)

local function method(name, kinds, f)
  local before = M[name]
  define(name, kinds, f)
  local made = M[name]
  M[name] = before
  return made
end
define("re_compile", "s", function(pattern)
  return compiled(pattern, function(r)
    return T.immutable(setmetatable({
      match = method("match", "s", function(s) return regex.search(r, s, 1, false) ~= nil end),
      find = method("find", "s|i", function(s, most) return find_all(r, s, most or 1) end),
      replace = method("replace", "ss", function(s, template) return replace_all(r, s, template) end),
      split = method("split", "s|i", function(s, most) return split_all(r, s, most or -1) end),
    }, MAP))
  end)
end)
return M
