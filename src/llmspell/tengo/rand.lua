-- The module rand. A run has its seed, so that its recording gives the same numbers.

local inside = ...
local T = inside.tengo
local m, char, concat, counted = inside.math, inside.string.char, inside.concat, inside.counted
local setmetatable, rawset, U, OWN, MAP = inside.setmetatable, inside.rawset, T.U, T.OWN, T.MAP

local function int(name, v)
  local made = T.to_int(v)
  if made == nil then T.wrong_type("user-function:" .. name, "first", "int(compatible)", v) end
  return made
end

-- Numbers of 64 bits from a seed, the same for the same.
local function seeded(seed)
  local state = seed
  local function next_bits()
    state = state + 0x9E3779B97F4A7C15
    local z = (state ~ state >> 30) * 0xBF58476D1CE4E5B9
    z = (z ~ z >> 27) * 0x94D049BB133111EB
    return z ~ z >> 31
  end
  local function random(low, high)
    local bits = next_bits() >> 1
    if not low then return (bits >> 10) / 2.0 ^ 53 end
    local span = high - low + 1
    if span <= 0 then return low + bits end
    while bits - bits % span > m.maxinteger - span + 1 do bits = next_bits() >> 1 end
    return low + bits % span
  end
  return random, function(n) state = n end
end

local function generator(random, reseed)
  local R = {}
  local function define(name, count, f) R[name] = T.known("user-function:" .. name, f, count, count) end
  define("int", 0, function() return random(0, m.maxinteger) end)
  define("float", 0, function() return random() end)
  define("intn", 1, function(n)
    n = int("intn", n)
    if n <= 0 then T.fail("invalid argument to intn") end
    return random(0, n - 1)
  end)
  define("exp_float", 0, function() return -m.log(1 - random()) end)
  define("norm_float", 0, function() return m.sqrt(-2 * m.log(1 - random())) * m.cos(2 * m.pi * random()) end)
  define("seed", 1, function(n)
    reseed(int("seed", n))
    return U
  end)
  define("perm", 1, function(n)
    n = int("perm", n)
    local t = {}
    for i = 0, n - 1 do
      counted()
      local j = random(0, i)
      t[i] = t[j]
      t[j] = i
    end
    return setmetatable(t, OWN)
  end)
  define("read", 1, function(v)                    -- fills the bytes it is given
    if T.type_name(v) ~= "bytes" then T.wrong_type("user-function:read", "first", "bytes", v) end
    local out = {}
    for i = 1, #v[T.KEY] do
      counted()
      out[i] = char(random(0, 255))
    end
    rawset(v, T.KEY, concat(out))
    return #out
  end)
  return R
end

local R = generator(m.random, m.randomseed)
R.rand = T.known("user-function:rand", function(seed)
  return T.immutable(setmetatable(generator(seeded(int("rand", seed))), MAP))
end, 1, 1)
return R
