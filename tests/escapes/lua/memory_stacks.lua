-- attack: keeps deep stacks in many coroutines
-- expect: limit memory
-- limits: time=5, memory=8MB

local kept = {}
pcall(function()
  local function down(n) if n == 0 then coroutine.yield() end return down(n - 1) + 1 end
  while true do
    local co = coroutine.create(down)
    coroutine.resume(co, 10000)
    kept[#kept + 1] = co
  end
end)
print("ESCAPED")
