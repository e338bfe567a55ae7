-- The module math. Arguments are ints or floats; results are floats where Go's are.

local inside = ...
local T = inside.tengo
local m, next, tonumber, U = inside.math, inside.next, inside.tonumber, T.U
local huge, exp, log, sqrt = m.huge, m.exp, m.log, m.sqrt

local M = {
  e = 2.71828182845904523536028747135266249775724709369995957496696763, pi = 3.14159265358979323846264338327950288419716939937510582097494459,
  phi = 1.61803398874989484820458683436563811772030917980576286213544862, sqrt2 = 2.0 ^ 0.5, sqrtE = 1.64872127070012814684865078781416357165377610071014801157507931,
  sqrtPi = 1.77245385090551602729816748334114518279754945612238712821380779, sprtPi = sqrt(m.pi),
  sqrtPhi = 1.27201964951406896425242246173749149171560804184009624861664038, ln2 = log(2.0),
  log2E = 1.4426950408889634073599246810019, ln10 = log(10.0),
  log10E = 0.43429448190325182765112891891661, ln10E = 0.43429448190325182765112891891661, maxFloat32 = 3.40282346638528859811704183484516925440e+38, smallestNonzeroFloat32 = 1.401298464324817070923729583289916131280e-45,
  maxFloat64 = 1.797693134862315708145274237317043567981e+308, smallestNonzeroFloat64 = 4.940656458412465441765687928682213723651e-324,
  maxInt = m.maxinteger, minInt = m.mininteger, maxInt8 = 127, minInt8 = -128, maxInt16 = 32767, minInt16 = -32768,
  maxInt32 = 2147483647, minInt32 = -2147483648, maxInt64 = m.maxinteger, minInt64 = m.mininteger,
}

local WHICH = { "first", "second" }
local function define(name, count, f, ints)
  M[name] = T.known("user-function:" .. name, function(a, b)
    local args = { a, b }
    for i = 1, count do
      local v
      if ints == i then v = T.is_int(args[i]) and args[i] or T.to_int(args[i])
      else v = T.to_float(args[i]) end
      if v == nil or args[i] == U then T.wrong_type("user-function:" .. name, WHICH[i], (ints == i and "int" or "float") .. "(compatible)", args[i]) end
      args[i] = v
    end
    return f(args[1], args[2])
  end, count, count)
end

local function negative(x) return x < 0 or x == 0 and 1 / x < 0 end
local function whole(f)
  return function(x)
    if x ~= x or x == 0 or x >= 2.0 ^ 52 or x <= -2.0 ^ 52 then return x end
    local made = f(x) * 1.0
    return made == 0 and x < 0 and -0.0 or made
  end
end
local trunc = whole(function(x) return x < 0 and -m.floor(-x) or m.floor(x) end)
-- The float after x on the way to y: that with the next bits.
local function nextafter(x, y)
  if x ~= x or y ~= y then return 0 / 0 end
  if x == y then return x end
  if x == 0 then return y < 0 and -M.smallestNonzeroFloat64 or M.smallestNonzeroFloat64 end
  local bits = inside.string.unpack("<i8", inside.string.pack("<d", x))
  return (inside.string.unpack("<d", inside.string.pack("<i8", bits + ((y > x) == (x > 0) and 1 or -1))))
end
local function log1p(x)
  local u = 1 + x
  if u == 1 or u == huge then return x end
  return log(u) * x / (u - 1)
end
local function expm1(x)
  if x > -0.5 and x < 0.5 then
    if x == 0 then return x end
    local sum, term = x, x
    for n = 2, 20 do
      term = term * x / n
      sum = sum + term
    end
    return sum
  end
  return exp(x) - 1
end
local function exponent(x)
  if x == 0 then return -huge elseif x ~= x then return x elseif x == huge or x == -huge then return huge end
  local e = m.floor(log(m.abs(x), 2))
  while 2.0 ^ e > m.abs(x) do e = e - 1 end
  while 2.0 ^ (e + 1) <= m.abs(x) do e = e + 1 end
  return e * 1.0
end

-- A series near nought, a continued fraction far from it.
local function erfc(x)
  if x ~= x then return x elseif x < 0 then return 2 - erfc(-x) elseif x > 28 then return 0.0 end
  if x < 2 then
    local sum, term = x, x
    for n = 1, 80 do
      term = term * 2 * x * x / (2 * n + 1)
      sum = sum + term
    end
    return 1 - 2 / sqrt(m.pi) * exp(-x * x) * sum
  end
  local tail = 0.0
  for n = 80, 1, -1 do tail = n / 2 / (x + tail) end
  return exp(-x * x) / sqrt(m.pi) / (x + tail)
end
local function erf(x)
  if x < 0 then return -erf(-x) end
  if x < 1 then
    local sum, term = x, x
    for n = 1, 40 do
      term = term * 2 * x * x / (2 * n + 1)
      sum = sum + term
    end
    return 2 / sqrt(m.pi) * exp(-x * x) * sum
  end
  return 1 - erfc(x)
end

-- Lanczos' approximation; whole numbers are exact as long as floats are.
local LANCZOS = { 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7 }
local function gamma(x)
  if x ~= x or x == huge then return x elseif x > 172 then return huge end
  if x == 0 then return 1 / x elseif x < 0 and (x % 1 == 0 or x == -huge) then return 0 / 0 end
  if x < -180 then return 0.0 end
  if x % 1 == 0 then
    local made = 1.0
    for n = 2, x - 1 do made = made * n end
    return made
  end
  if x < 0.5 then return m.pi / (m.sin(m.pi * x) * gamma(1 - x)) end
  x = x - 1
  local sum = 0.99999999999980993
  for i = 1, 8 do sum = sum + LANCZOS[i] / (x + i) end
  local t = x + 7.5
  return sqrt(2 * m.pi) * t ^ ((x + 0.5) / 2) * exp(-t) * t ^ ((x + 0.5) / 2) * sum
end

-- Bessel functions of whole order. Those of the first kind come from the recurrence between orders, gone
-- through downwards from where they vanish, and the sum of them all that is 1 (Miller); those of the second
-- kind are a sum of them (Neumann). Far out both are waves whose size and phase are a series in 1/x (Hankel).
local FAR = 30.0

local function opposite(n) return n == m.mininteger and m.maxinteger or -n end

local function far(n, x)
  local mu, p, q, term = 4.0 * n * n, 1.0, 0.0, 1.0
  for k = 1, 60 do
    local next_term = term * (mu - (2 * k - 1) ^ 2) / (k * 8 * x)
    if m.abs(next_term) > m.abs(term) then break end
    term = next_term
    if k % 2 == 1 then q = q + (k % 4 == 1 and term or -term) else p = p + (k % 4 == 0 and term or -term) end
  end
  -- cos and sin of x - (n / 2 + 1 / 4) pi, without taking from a large x what it is known to.
  local c, s, h = m.cos(x), m.sin(x), sqrt(0.5)
  c, s = h * (c + s), h * (s - c)
  if n == 1 then c, s = s, -c end
  local size = sqrt(2 / (m.pi * x))
  return size * (p * c - q * s), size * (p * s + q * c)
end

-- Orders 0 to `n` at least, and what is needed to have them right; x is above 0.
local function orders(n, x)
  local from = n > x and n or m.ceil(x)
  from = from + m.ceil(sqrt(60.0 * from)) + 30
  from = from - from % 2
  local j, sum, above, here = {}, 0.0, 0.0, 1e-300
  for k = from, 0, -1 do
    inside.counted()
    j[k] = here
    if k % 2 == 0 then sum = sum + (k == 0 and here or 2 * here) end
    above, here = here, 2 * k / x * here - above
    if m.abs(here) > 1e200 then
      above, here, sum = above * 1e-250, here * 1e-250, sum * 1e-250
      for i = k, from do
        if j[i] == 0 then break end
        j[i] = j[i] * 1e-250
      end
    end
  end
  for k = 0, from do j[k] = j[k] / sum end
  return j, from
end

local function first_kind(n, x)
  if n < 0 then n, x = opposite(n), -x end
  if x ~= x then return x elseif x == huge or x == -huge then return 0.0 end
  if x == 0 then return n == 0 and 1.0 or 0.0 end
  if n > 10000 and n > 2 * m.abs(x) then return 0.0 end  -- too small for a float
  local sign = x < 0 and n % 2 == 1 and -1 or 1
  x = m.abs(x)
  if x <= FAR or n > x then
    if x < 1e-8 then                               -- what comes after the first term is too small to count
      local made = 1.0
      for k = 1, n do
        made = made * x / (2 * k)
        if made == 0 then break end
      end
      return sign * made
    end
    return sign * orders(n, x)[n]
  end
  local before, here = far(0, x), far(1, x)
  if n == 0 then return sign * before end
  for k = 1, n - 1 do
    inside.counted()
    before, here = here, 2 * k / x * here - before
  end
  return sign * here
end

local EULER = 0.57721566490153286061
local function second_kind(n, x)
  local sign = 1
  if n < 0 then n, sign = opposite(n), n % 2 == 0 and 1 or -1 end
  if x ~= x or x < 0 then return 0 / 0 elseif x == 0 then return -sign * huge elseif x == huge then return 0.0 end
  local _, before = far(0, x)
  local _, here = far(1, x)
  if x <= FAR then
    local j, most = orders(1, x)
    local log_of = log(x / 2) + EULER
    before, here = log_of * j[0], log_of * j[1] - j[0] / x
    for k = 1, most // 2 - 1 do
      local part = (k % 2 == 0 and 1 or -1) / k
      before = before - 2 * part * j[2 * k]
      here = here + part * (j[2 * k - 1] - j[2 * k + 1])
    end
    before, here = 2 / m.pi * before, 2 / m.pi * here
  end
  if n == 0 then return before end
  for k = 1, n - 1 do
    inside.counted()
    if here == -huge then break end
    before, here = here, 2 * k / x * here - before
  end
  return sign * here
end

for name, f in next, {
  j0 = function(x) return first_kind(0, x) end, j1 = function(x) return first_kind(1, x) end,
  y0 = function(x) return second_kind(0, x) end, y1 = function(x) return second_kind(1, x) end,
  erf = erf, erfc = erfc, gamma = gamma, abs = m.abs, acos = m.acos, asin = m.asin, atan = m.atan, cos = m.cos, exp = exp, log = log, sin = m.sin,
  sqrt = sqrt, tan = m.tan, ceil = whole(m.ceil), floor = whole(m.floor), trunc = whole(trunc),
  acosh = function(x) return x > 1e8 and log(x) + M.ln2 or log(x + sqrt(x * x - 1)) end,
  asinh = function(x)
    local y = m.abs(x)
    y = y > 1e8 and log(y) + M.ln2 or log1p(y + y * y / (1 + sqrt(y * y + 1)))
    return negative(x) and -y or y
  end,
  atanh = function(x) return x == 1 and huge or x == -1 and -huge or 0.5 * log1p(2 * x / (1 - x)) end,
  cbrt = function(x)
    local y = m.abs(x) ^ (1 / 3)
    if y ~= 0 and y ~= huge then y = y - (y * y * y - m.abs(x)) / (3 * y * y) end
    return negative(x) and -y or y
  end,
  cosh = function(x) return exp(x) / 2 + exp(-x) / 2 end,
  sinh = function(x)
    if x > 21 then return exp(x / 2) * (exp(x / 2) / 2) elseif x < -21 then return -exp(-x / 2) * (exp(-x / 2) / 2) end
    return x == 0 and x or (expm1(x) + expm1(x) / (expm1(x) + 1)) / 2
  end,
  tanh = function(x)
    if x > 20 then return 1.0 elseif x < -20 then return -1.0 elseif x == 0 then return x end
    local e = expm1(2 * x)
    return e / (e + 2)
  end,
  exp2 = function(x) return 2.0 ^ x end, expm1 = expm1, log1p = log1p, log2 = function(x) return log(x, 2) end,
  log10 = function(x) return log(x, 10) end, logb = exponent, is_nan = function(x) return x ~= x end, signbit = negative,
  ilogb = function(x)
    local e = exponent(x)
    return e == -huge and M.minInt32 or e ~= e and M.maxInt32 or e == huge and M.maxInt32 or m.floor(e)
  end,
} do define(name, 1, f) end

for name, f in next, {
  atan2 = m.atan, nextafter = nextafter, pow = function(x, y) return x ^ y end, mod = function(x, y) return m.fmod(x, y) end,
  copysign = function(x, y) return negative(x) ~= negative(y) and -x or x end,
  dim = function(x, y)
    local d = x - y
    return (d > 0 or d ~= d) and d or 0.0
  end,
  max = function(x, y)
    if x == huge or y == huge then return huge end
    return (x ~= x or y ~= y) and 0 / 0 or (x > y or x == y and negative(y)) and x or y
  end,
  min = function(x, y)
    if x == -huge or y == -huge then return -huge end
    return (x ~= x or y ~= y) and 0 / 0 or (x < y or x == y and negative(x)) and x or y
  end,
  hypot = function(x, y)
    x, y = m.abs(x), m.abs(y)
    if x == huge or y == huge then return huge elseif x ~= x or y ~= y then return 0 / 0 end
    if x < y then x, y = y, x end
    if x == 0 then return 0.0 end
    return x * sqrt(1 + (y / x) * (y / x))
  end,
  remainder = function(x, y)
    local r = m.fmod(x, y)
    local half = m.abs(y) / 2
    if m.abs(r) > half or m.abs(r) == half and (x - r) / y % 2 ~= 0 then r = r - (negative(r) and -m.abs(y) or m.abs(y)) end
    return r
  end,
} do define(name, 2, f) end

define("jn", 2, first_kind, 1)
define("yn", 2, second_kind, 1)
define("pow10", 1, function(n) return tonumber("1e" .. n) end, 1)
define("ldexp", 2, function(x, e)
  if e > 2200 then e = 2200 elseif e < -2200 then e = -2200 end
  local third = e // 3
  return x * 2.0 ^ third * 2.0 ^ third * 2.0 ^ (e - 2 * third)
end, 2)
define("inf", 1, function(sign) return sign >= 0 and huge or -huge end, 1)
define("is_inf", 2, function(x, sign) return sign >= 0 and x == huge or sign <= 0 and x == -huge end, 2)
M.nan = T.known("user-function:nan", function() return 0 / 0 end, 0, 0)
return M
