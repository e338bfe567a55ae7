-- attack: reaches or changes the state of a promise, which its metatable is
-- expect: ok 0
-- engines: lua54, lua55

local found = 0
local p = promise.new(function() end)
local function try(f)
  local ok, got = pcall(f)
  if ok and type(got) == "table" and got ~= p then
    found = found + 1
    print("ESCAPED")
  end
end
try(function() return getmetatable(p) end)
try(function() return setmetatable(p, {}) end)
try(function() return next(p) end)
try(function() return rawget(p, "entry") end)
try(function() return p.entry end)
try(function() return p.__index end)
try(function() return rawset(p, "ok", {}) and rawget(p, "entry") end)
try(function() return table.insert(p, 1) end)
try(function() return debug.getmetatable(p) end)
local forged = setmetatable({}, {__newindex = function() end, __metatable = false, done = true, ok = true, value = {}})
try(function() return await(forged) end)
if #p > 0 or p:done() then print("ESCAPED") end
return found
