-- The verbs of format and fmt.printf.

local inside = ...
local T = inside.tengo
local select, tonumber = inside.select, inside.tonumber
local concat, find, format, gsub, match, counted, look =
  inside.concat, inside.find, inside.format, inside.gsub, inside.match, inside.counted, inside.look
local byte, sub, rep, upper, pack, unpack = inside.string.byte, inside.string.sub, inside.string.rep, inside.string.upper, inside.string.pack,
  inside.string.unpack
local mtype, utf8len = inside.math.type, inside.utf8.len
local U, KEY, fail, text, type_name = T.U, T.KEY, T.fail, T.text, T.type_name

local MAX_WIDTH = 1000000

local function quotes() return inside.need("tengo_quote") end

local function pad(s, spec, no_zero)
  local fill = (spec.width or 0) - (utf8len(s) or T.runes_of(s).n)
  if fill <= 0 then return s end
  if spec.minus then return s .. rep(" ", fill) end
  return rep(spec.zero and not no_zero and "0" or " ", fill) .. s
end

local function signed(s, negative, spec)
  if negative then return "-" .. s end
  return (spec.plus and "+" or spec.space and " " or "") .. s
end

local BASES = { b = 2, o = 8, O = 8, d = 10, x = 16, X = 16 }
local PREFIXES = { b = "0b", x = "0x", X = "0X" }

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
  if spec.precision == 0 and v == 0 then return rep(" ", spec.width or 0) end
  local digits = digits_of(v, BASES[verb])
  if verb == "X" then digits = upper(digits) end
  local least = spec.precision or 0
  if not spec.precision and spec.zero and spec.width then
    least = spec.width - ((v < 0 or spec.plus or spec.space) and 1 or 0)
  end
  digits = rep("0", least - #digits) .. digits
  if spec.sharp then
    if BASES[verb] == 8 and sub(digits, 1, 1) ~= "0" then digits = "0" .. digits end
    digits = (PREFIXES[verb] or "") .. digits
  end
  if verb == "O" then digits = "0o" .. digits end
  return pad(signed(digits, v < 0, spec), spec, true)
end

-- Floats. ---------------------------------------------------------------------------------------------

-- "d.dde+dd" with as few digits as read back as the same; `read` is what a float is rounded to, if less than 64 bits.
local function shortest(size, read)
  for digits = 0, 16 do
    local s = format("%." .. digits .. "e", size)
    local back = tonumber(s)
    if back == size or read and read(back) == size then return s end
  end
end

local function in_base_two(size, verb, precision)
  local bits = unpack("<i8", pack("<d", size))
  local mantissa, power = bits & (1 << 52) - 1, bits >> 52
  if power == 0 then power = 1 else mantissa = mantissa | 1 << 52 end
  if verb == "b" then return format("%dp%+d", mantissa, power - 1075) end
  if size == 0 then power = 1023 end
  while mantissa ~= 0 and mantissa < 1 << 52 do mantissa, power = mantissa << 1, power - 1 end
  local plain = unpack("<d", pack("<i8", mantissa == 0 and 0 or mantissa & (1 << 52) - 1 | 1023 << 52))
  local whole, rest = match(format(precision and "%." .. precision .. "a" or "%a", plain), "^0x(%x)(.*)p")
  if whole == "2" then whole, power = "1", power + 1 end
  local s = format("0x%s%sp%s%02d", whole, rest, power < 1023 and "-" or "+", power < 1023 and 1023 - power or power - 1023)
  return verb == "X" and upper(s) or s
end

-- The digits of a float that is not negative. Without a precision, as many as it takes.
local function float_digits(size, verb, precision, read)
  local kind = inside.string.lower(verb)
  if kind == "b" or kind == "x" then return in_base_two(size, verb, precision and precision < 99 and precision) end
  local s
  if not precision then
    s = shortest(size, read)
    local power = tonumber(match(s, "e(.+)$"))
    if kind == "f" or kind == "g" and power >= -4 and power < 6 then s = T.plain(s) end
  else
    s = format("%." .. (precision > 99 and 99 or precision) .. kind, size)
    if precision > 99 and kind ~= "g" then s = gsub(s, "^[%d.]+", function(d) return d .. rep("0", precision - 99) end) end
  end
  return (verb == "E" or verb == "G") and upper(s) or s
end
T.float_digits = float_digits

local function float(v, verb, spec)
  if v ~= v then return pad((spec.plus and "+" or spec.space and " " or "") .. "NaN", spec, true) end
  if v == 1 / 0 or v == -1 / 0 then
    return pad((v < 0 and "-" or spec.space and not spec.plus and " " or "+") .. "Inf", spec, true)
  end
  if verb == "F" then verb = "f" end
  local precision = spec.precision or (find(verb, "[eEf]") and 6 or nil)
  local negative = v < 0 or v == 0 and 1 / v < 0
  local s = float_digits(negative and -v or v, verb, precision)
  if spec.sharp and verb ~= "b" then
    local body, tail = match(s, find(verb, "[xX]") and "^(0[xX][%x.]+)(.*)$" or "^([%d.]+)(.*)$")
    local missing = find(verb, "[gGx]") and (precision or 6) - #gsub(body, "%.", "") or 0
    s = body .. (find(body, ".", 1, true) and "" or ".") .. rep("0", missing) .. tail
  end
  s = signed(s, negative, spec)
  if spec.zero and spec.width and find(s, "^[-+ ]") then return sub(s, 1, 1) .. rep("0", spec.width - #s) .. sub(s, 2) end
  return pad(s, spec)
end

-- Text. -----------------------------------------------------------------------------------------------

local function hex_of(s, verb, spec)
  local code = verb == "x" and "%02x" or "%02X"
  if #s > 1024 then look() end
  local out = gsub(s, ".", function(c) return format((spec.sharp and spec.space and "0" .. verb or "") .. code .. (spec.space and " " or ""), byte(c)) end)
  out = gsub(out, " $", "")
  if spec.sharp and not spec.space and s ~= "" then out = "0" .. verb .. out end
  return out
end

local function first_of(s, count)
  local i = 1
  while count > 0 and i <= #s do
    counted()
    i, count = T.after(s, i), count - 1
  end
  return sub(s, 1, i - 1)
end

local function textual(s, verb, spec)
  if spec.precision then
    s = (verb == "x" or verb == "X") and sub(s, 1, spec.precision) or first_of(s, spec.precision)
  end
  if verb == "q" then
    local raw = spec.sharp and utf8len(s) and not find(gsub(s, "\t", ""), "[`%c\127]") and not find(s, "\xEF\xBB\xBF", 1, true)
    s = raw and "`" .. s .. "`" or quotes().quote(s, '"', spec.plus)
  elseif verb == "x" or verb == "X" then
    s = hex_of(s, verb, spec)
  end
  return pad(s, spec)
end

local function told(v) return v == U and text(v) or type_name(v) .. "=" .. text(v) end

local function character(v) return T.char_text((v < 0 or v > 0x10FFFF) and 0xFFFD or v) end

local function unicode(v, spec)
  local s = format("U+%0" .. (spec.precision and spec.precision > 4 and spec.precision < 99 and spec.precision or 4) .. "X", v)
  if spec.sharp and v >= 0 and v <= 0x10FFFF and quotes().printable(v) then s = s .. " '" .. character(v) .. "'" end
  return pad(s, spec, true)
end

local function one(v, verb, spec)
  if verb == "T" then return textual(type_name(v), "s", spec) end
  if verb == "v" or verb == "s" then return textual(text(v), "s", spec) end
  local kind, given = type_name(v), v
  if kind == "char" then kind, v = "int", v[KEY] end   -- its code
  if kind == "int" then
    if BASES[verb] then return integer(v, verb, spec) end
    if verb == "c" then return pad(character(v), spec) end
    if verb == "q" and v >= 0 and v <= 0x10FFFF then return pad(quotes().quote(character(v), "'", spec.plus), spec) end
    if verb == "U" then return unicode(v, spec) end
  elseif kind == "float" then
    if find("bgGxXfFeE", verb, 1, true) then return float(v, verb, spec) end
  elseif kind == "bool" then
    if verb == "t" then return pad(text(v), spec) end
  elseif kind == "bytes" and verb == "d" then
    local out = {}
    for i = 1, #v[KEY] do
      counted()
      out[i] = integer(byte(v[KEY], i), "d", spec)
    end
    return "[" .. concat(out, " ") .. "]"
  elseif find("qxX", verb, 1, true) then
    return textual(text(v), verb, spec)
  end
  return "%!" .. verb .. "(" .. told(given) .. ")"
end

-- A width: what is long is filled in one call of C.
local function wide(v)
  if v > 1024 or v < -1024 then look() end
  return v
end

-- The flags of a verb from a place on, and the place behind them.
local function flags(pattern, i)
  local spec = {}
  while true do
    local c = sub(pattern, i, i)
    if c == "-" then spec.minus, spec.zero = true, nil
    elseif c == "+" then spec.plus = true
    elseif c == "#" then spec.sharp = true
    elseif c == " " then spec.space = true
    elseif c == "0" then spec.zero = not spec.minus
    else return spec, i end
    i = i + 1
  end
end

-- The text of a format and its arguments, as fmt.sprintf gives it. Alone it is no format, but text.
local function formatted(pattern, ...)
  local args, count = { ... }, select("#", ...)
  if count == 0 then return pattern end
  local out, at, used, reordered, size = {}, 1, 0, false, 0
  local i, bad, after_index
  local function piece(s)
    out[#out + 1] = s
    size = size + #s
    if size > T.max_string then fail("exceeding string size limit") end
  end
  local function index()                           -- [n] says which argument comes next
    after_index = false
    if sub(pattern, i, i) ~= "[" then return end
    reordered = true
    local number, after = match(pattern, "^%[(%d+)%]()", i)
    if number and #number < 8 then
      i, after_index = after, true
      if tonumber(number) < 1 or tonumber(number) > count then bad = true else used = tonumber(number) - 1 end
    else
      bad, i = true, (find(pattern, "]", i, true) or i) + 1
    end
  end
  local function number(wrong)
    if sub(pattern, i, i) == "*" then
      i, after_index = i + 1, false
      local v = args[used + 1]
      if v ~= nil then used, v = used + 1, T.to_int(v) end
      if not v or v > MAX_WIDTH or v < -MAX_WIDTH or v < 0 and wrong == "BADPREC" then
        piece("%!(" .. wrong .. ")")
        return nil
      end
      return wide(v)
    end
    local digits, after = match(pattern, "^(%d+)()", i)
    if digits then
      if after_index then bad = true end
      if #digits > 8 or tonumber(digits) > MAX_WIDTH then
        i = #pattern + 1
        return nil
      end
      i = after
      return wide(tonumber(digits))
    end
  end
  while true do
    counted()
    local start = find(pattern, "%", at, true)
    if not start then
      piece(sub(pattern, at))
      break
    end
    piece(sub(pattern, at, start - 1))
    local spec
    bad = false
    spec, i = flags(pattern, start + 1)
    index()
    spec.width = number("BADWIDTH")
    if spec.width and spec.width < 0 then
      spec.minus, spec.zero, spec.width = true, nil, -spec.width
    end
    if sub(pattern, i, i) == "." and i < #pattern then
      i = i + 1
      if after_index then bad = true end
      index()
      local star = sub(pattern, i, i) == "*"
      spec.precision = number("BADPREC") or not star and 0 or nil
    end
    if not after_index then index() end
    local verb = match(pattern, "^[%z\1-\127\194-\244][\128-\191]*", i) or sub(pattern, i, i)
    at = i + #verb
    if verb == "" then
      piece("%!(NOVERB)")
      break
    elseif verb == "%" then
      piece("%")
    elseif bad then
      piece("%!" .. verb .. "(BADINDEX)")
    elseif used >= count then
      piece("%!" .. verb .. "(MISSING)")
    else
      used = used + 1
      piece(one(args[used], verb, spec))
    end
  end
  if not reordered and used < count then
    local extra = {}
    for n = used + 1, count do extra[#extra + 1] = told(args[n]) end
    piece("%!(EXTRA " .. concat(extra, ", ") .. ")")
  end
  return concat(out)
end
T.formatted = formatted
return T
