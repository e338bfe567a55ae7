-- attack: loops in the handler that closes a coroutine
-- expect: limit time
-- limits: time=0.15

local co = coroutine.create(function()
  local guard <close> = setmetatable({}, {__close = function() while true do end end})
  coroutine.yield()
end)
coroutine.resume(co)
pcall(coroutine.close, co)
print("ESCAPED")
