-- attack: hides that memory ran out by closing the coroutine in which it did
-- expect: limit memory

local co = coroutine.create(function()
  local guard <close> = setmetatable({}, {__close = function() error("another") end})
  coroutine.yield()
end)
local inner = coroutine.wrap(function()
  local guard <close> = setmetatable({}, {__close = function() coroutine.yield("ESCAPED by a yield") end})
  return ("x"):rep(1e9)
end)
coroutine.resume(co)
pcall(coroutine.close, co)
print(pcall(inner))
print("ESCAPED")
