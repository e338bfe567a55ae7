-- attack: makes coroutines that wait for ever
-- expect: limit memory
-- limits: time=5, memory=8MB

local kept = {}
pcall(function()
  while true do
    local co = coroutine.create(function() coroutine.yield() end)
    coroutine.resume(co)
    kept[#kept + 1] = co
  end
end)
print("ESCAPED")
