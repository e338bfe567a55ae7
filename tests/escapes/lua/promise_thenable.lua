-- attack: tables taken for promises, whose metamethods raise, wait, call back twice and resolve with themselves
-- expect: ok [false,1,"raised",2,"waited"]

local function thenable(f) return setmetatable({}, {__index = function(t, k) return f(t, k) end}) end
local rounds = 0
local endless = thenable(function(t, k)
  rounds = rounds + 1
  if rounds > 1000 then error("enough", 0) end
  return function(_, resolve) resolve(t) end
end)
local ok = pcall(await, promise.resolve(endless))
local twice = await(promise.resolve({and_then = function(_, a, b) a(1) a(2) b(3) error("late") end}))
local _, raised = pcall(await, promise.resolve(thenable(function() error("raised", 0) end)))
local waits = await(promise.resolve(thenable(function() sleep(0.001) return function(_, a) sleep(0.001) a(2) end end)))
local odd = setmetatable({}, {__index = setmetatable({}, {__index = function() sleep(0) return "waited" end}),
  __eq = function() return true end, __call = function() print("ESCAPED") end, __tostring = function() return 1 end})
local value = await(promise.resolve(odd))
return {ok, twice, raised, waits, value.and_then}
