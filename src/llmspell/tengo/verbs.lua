-- The verbs of format and fmt.printf.

local inside = ...
local T = inside.tengo
local select, tonumber = inside.select, inside.tonumber
local concat, find, format, gsub, match, counted, look =
  inside.concat, inside.find, inside.format, inside.gsub, inside.match, inside.counted, inside.look
local byte, sub, rep, upper = inside.string.byte, inside.string.sub, inside.string.rep, inside.string.upper
local mtype, utf8len = inside.math.type, inside.utf8.len
local U, KEY, fail, text, type_name = T.U, T.KEY, T.fail, T.text, T.type_name

local MAX_WIDTH = 1000000

local function pad(s, spec)
  local count = utf8len(s) or #s
  if not spec.width or count >= spec.width then return s end
  local fill = spec.width - count
  if spec.minus then return s .. rep(" ", fill) end
  if spec.zero and not spec.textual then
    local sign, digits = match(s, "^([+ -]?)(.*)$")
    return sign .. rep("0", fill) .. digits
  end
  return rep(spec.zero and "0" or " ", fill) .. s
end

local function signed(s, negative, spec)
  if negative then return "-" .. s end
  return (spec.plus and "+" or spec.space and " " or "") .. s
end

local BASES = { b = 2, o = 8, O = 8, d = 10, x = 16, X = 16 }
local PREFIXES = { b = "0b", o = "0", O = "0o", x = "0x", X = "0X" }

local function digits_of(v, base)
  if base == 10 then return (gsub(format("%d", v), "^-", "")) end
  local out, n = {}, v
  if v == inside.math.mininteger then
    local q = -(v // base + (v % base ~= 0 and 1 or 0))
    return digits_of(q, base) .. sub("0123456789abcdef", -(v + q * base) + 1, -(v + q * base) + 1)
  end
  if n < 0 then n = -n end
  repeat
    local d = n % base
    out[#out + 1] = sub("0123456789abcdef", d + 1, d + 1)
    n = n // base
  until n == 0
  return inside.string.reverse(concat(out))
end
T.digits_of = digits_of

local function integer(v, verb, spec)
  local digits = digits_of(v, BASES[verb])
  if verb == "X" then digits = upper(digits) end
  if spec.precision then
    if spec.precision == 0 and v == 0 then return pad("", spec) end
    digits = rep("0", spec.precision - #digits) .. digits
    spec.zero = false
  elseif spec.zero and spec.width and not spec.minus then
    local room = spec.width - ((v < 0 or spec.plus or spec.space) and 1 or 0)
    digits = rep("0", room - #digits) .. digits
  end
  if spec.sharp or verb == "O" then digits = (PREFIXES[verb] or "") .. digits end
  return pad(signed(digits, v < 0, spec), spec)
end

local function float(v, verb, spec)
  if v ~= v then spec.zero = false return pad("NaN", spec) end
  if v == 1 / 0 or v == -1 / 0 then
    spec.zero = false
    return pad((v < 0 and "-" or spec.plus and "+" or spec.verb_v and "+" or spec.space and " " or "+") .. "Inf", spec)
  end
  local s
  local size = v < 0 and -v or v
  if verb == "v" then verb = "g" end
  if verb == "F" then verb = "f" end
  if (verb == "g" or verb == "G") and not spec.precision then
    for digits = 1, 17 do
      s = format("%." .. digits - 1 .. "e", size)
      if tonumber(s) == size then break end
    end
    local mantissa, power = match(s, "^(.-)e(.+)$")
    power = tonumber(power)
    if power < -4 or power >= 21 then
      s = mantissa .. "e" .. (power < 0 and "-" or "+") .. format("%02d", power < 0 and -power or power)
    else
      s = T.float_text(size)
    end
    if verb == "G" then s = upper(s) end
  else
    local precision = spec.precision or 6
    if precision > 99 then precision = 99 end
    s = format("%" .. (spec.sharp and "#" or "") .. "." .. precision .. verb, size)
  end
  return pad(signed(s, v < 0 or v == 0 and 1 / v < 0, spec), spec)
end
T.float_verb = float

local function hex_of(s, verb, spec)
  local code = verb == "x" and "%02x" or "%02X"
  if #s > 1024 then look() end
  local out = gsub(s, ".", function(c) return format((spec.sharp and spec.space and "0x" or "") .. code .. (spec.space and " " or ""), byte(c)) end)
  out = gsub(out, " $", "")
  if spec.sharp and not spec.space and s ~= "" then out = "0" .. verb .. out end
  return out
end

local function textual(s, verb, spec)
  spec.textual = true
  if spec.precision then
    if verb == "x" or verb == "X" then s = sub(s, 1, spec.precision)
    elseif utf8len(s) and utf8len(s) > spec.precision then s = sub(s, 1, inside.utf8.offset(s, spec.precision + 1) - 1) end
  end
  if verb == "q" then
    s = spec.sharp and not find(s, "[`%c]") and "`" .. s .. "`" or T.quote(s)
  elseif verb == "x" or verb == "X" then
    s = hex_of(s, verb, spec)
  end
  return pad(s, spec)
end

local function bad_verb(verb, v)
  if v == U then return "%!" .. verb .. "(" .. text(v) .. ")" end
  return "%!" .. verb .. "(" .. type_name(v) .. "=" .. text(v) .. ")"
end

local function rune_quoted(code)
  if code == 39 then return "'\\''" end
  if code == 34 then return "'\"'" end
  local quoted = T.quote(T.char_text(code))
  return "'" .. sub(quoted, 2, -2) .. "'"
end

local function one(v, verb, spec)
  if verb == "T" then return textual(type_name(v), "s", spec) end
  local kind = type_name(v)
  if verb == "v" and not (kind == "float" or kind == "int") then
    if kind == "string" and spec.sharp then return textual(v, "q", { width = spec.width, minus = spec.minus }) end
    return textual(text(v), "s", spec)
  end
  if kind == "bool" then
    if verb == "t" or verb == "s" then return textual(text(v), "s", spec) end
  elseif kind == "int" then
    if verb == "v" then verb = "d" end
    if BASES[verb] then return integer(v, verb, spec) end
    if verb == "c" then return textual(T.char_text(v), "s", spec) end
    if verb == "q" then return textual(rune_quoted(v), "s", spec) end
    if verb == "U" then return textual(format("U+%04X", v), "s", spec) end
    if verb == "s" then return textual(text(v), "s", spec) end
  elseif kind == "float" then
    if verb == "s" then return textual(text(v), "s", spec) end
    if find("vbgGfFeE", verb, 1, true) and verb ~= "b" then return float(v, verb, spec) end
  elseif kind == "char" then
    if verb == "c" then return textual(text(v), "s", spec) end
    if verb == "q" then return textual(rune_quoted(v[KEY]), "s", spec) end
    if verb == "U" then return textual(format("U+%04X", v[KEY]), "s", spec) end
    if BASES[verb] then return integer(v[KEY], verb, spec) end
    if verb == "s" then return textual(text(v), "s", spec) end
  elseif kind == "string" or kind == "bytes" then
    if verb == "s" or verb == "q" or verb == "x" or verb == "X" then
      return textual(kind == "bytes" and v[KEY] or v, verb, spec)
    end
  elseif verb == "s" then
    return textual(text(v), "s", spec)
  elseif verb == "q" then
    return textual(text(v), "q", spec)
  end
  return bad_verb(verb, v)
end

-- The text of a format and its arguments, as fmt.sprintf gives it.
local function formatted(pattern, ...)
  local args, count = { ... }, select("#", ...)
  local out, at, used, reordered, size = {}, 1, 0, false, 0
  local function piece(s)
    out[#out + 1] = s
    size = size + #s
    if size > T.max_string then fail("exceeding string size limit") end
  end
  while true do
    counted()
    local start = find(pattern, "%", at, true)
    if not start then
      piece(sub(pattern, at))
      break
    end
    piece(sub(pattern, at, start - 1))
    local spec, i = {}, start + 1
    while true do
      local c = sub(pattern, i, i)
      if c == "-" then spec.minus = true
      elseif c == "+" then spec.plus = true
      elseif c == "#" then spec.sharp = true
      elseif c == " " then spec.space = true
      elseif c == "0" then spec.zero = true
      else break end
      i = i + 1
    end
    local bad
    local function index()
      local number, after = match(pattern, "^%[(%d+)%]()", i)
      if number then
        reordered, used, i = true, tonumber(number) - 1, after
        if used < 0 or used >= count then bad = "%!%s(BADINDEX)" end
      elseif sub(pattern, i, i) == "[" then
        bad = "%!%s(BADINDEX)"
        i = (find(pattern, "]", i, true) or #pattern) + 1
      end
    end
    local function number()
      index()
      if sub(pattern, i, i) == "*" then
        i = i + 1
        used = used + 1
        local v = args[used]
        if mtype(v) ~= "integer" or v > MAX_WIDTH or v < -MAX_WIDTH then
          piece("%!(BADWIDTH)")
          return nil
        end
        return v
      end
      local digits, after = match(pattern, "^(%d+)()", i)
      if digits then
        i = after
        local v = tonumber(digits)
        return v <= MAX_WIDTH and v or nil
      end
    end
    spec.width = number()
    if spec.width and spec.width < 0 then
      spec.minus, spec.width = true, -spec.width
    end
    if spec.minus then spec.zero = false end
    if sub(pattern, i, i) == "." then
      i = i + 1
      spec.precision = number() or 0
      if spec.precision < 0 then spec.precision = nil end
    end
    index()
    local verb = match(pattern, "^[%z\1-\127\194-\244][\128-\191]*", i) or ""
    at = i + #verb
    if verb == "" then
      piece("%!(NOVERB)")
      break
    elseif verb == "%" then
      piece("%")
    elseif bad then
      piece(format(bad, verb))
    else
      used = used + 1
      local v = args[used]
      if v == nil then piece("%!" .. verb .. "(MISSING)") else piece(one(v, verb, spec)) end
    end
  end
  if not reordered and used < count then
    local extra = {}
    for i = used + 1, count do
      local v = args[i]
      extra[#extra + 1] = v == U and text(v) or type_name(v) .. "=" .. text(v)
    end
    piece("%!(EXTRA " .. concat(extra, ", ") .. ")")
  end
  return concat(out)
end
T.formatted = formatted
return T
