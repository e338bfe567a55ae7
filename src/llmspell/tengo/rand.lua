-- The module rand. A run has its seed, so that its recording gives the same numbers.

local inside = ...
local T = inside.tengo
local m, char, concat, counted = inside.math, inside.string.char, inside.concat, inside.counted
local setmetatable, U, OWN, MAP = inside.setmetatable, T.U, T.OWN, T.MAP

local function int(name, v)
  local made = T.to_int(v)
  if made == nil then T.wrong_type("user-function:" .. name, "first", "int(compatible)", v) end
  return made
end

local function generator()
  local R = {}
  local function define(name, count, f) R[name] = T.known("user-function:" .. name, f, count, count) end
  define("int", 0, function() return m.random(0, m.maxinteger) end)
  define("float", 0, function() return m.random() end)
  define("intn", 1, function(n)
    n = int("intn", n)
    if n <= 0 then T.fail("invalid argument to intn") end
    return m.random(0, n - 1)
  end)
  define("exp_float", 0, function() return -m.log(1 - m.random()) end)
  define("norm_float", 0, function() return m.sqrt(-2 * m.log(1 - m.random())) * m.cos(2 * m.pi * m.random()) end)
  define("seed", 1, function(n)
    m.randomseed(int("seed", n))
    return U
  end)
  define("perm", 1, function(n)
    n = int("perm", n)
    local t = {}
    for i = 0, n - 1 do
      counted()
      local j = m.random(0, i)
      t[i], t[j] = t[j], i
    end
    return setmetatable(t, OWN)
  end)
  define("read", 1, function(n)
    n = int("read", n)
    if n < 0 or n > 1000000 then T.fail("invalid argument to read") end
    local out = {}
    for i = 1, n do
      counted()
      out[i] = char(m.random(0, 255))
    end
    return T.new_bytes(concat(out))
  end)
  return R
end

local R = generator()
R.rand = T.known("user-function:rand", function(seed)
  R.seed(seed)
  return T.immutable(setmetatable(generator(), MAP))
end, 1, 1)
return R
