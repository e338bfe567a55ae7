-- attack: sees the private token by waiting inside coroutines, iterators, callbacks and metamethods
-- expect: ok 0

local found = 0
local function look(...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if type(value) == "table" and value ~= _G or type(value) == "number" and value < 6 then
      print("ESCAPED " .. type(value))
      found = found + 1
    end
  end
end
local function wait() sleep(0.001) return "end" end
look(coroutine.resume(coroutine.create(wait)))
look(coroutine.wrap(function() return pcall(wait) end)())
look(coroutine.resume(coroutine.create(function() return coroutine.wrap(wait)() end)))
look(tostring(select(2, pcall(table.sort, {2, 1}, wait))))
look(tostring(select(2, pcall(string.gsub, "x", "x", wait))))
look(xpcall(error, function() return tostring(select(2, pcall(wait))) end))
local t = setmetatable({}, {__index = wait, __call = wait, __close = wait, __tostring = wait, __concat = wait})
look(t.x, t(), tostring(t), t .. "x")
do local _ <close> = t end
for word in coroutine.wrap(function() wait() coroutine.yield("x") wait() end) do look(word) end
look(pcall(coroutine.wrap(function() table.sort({2, 1}, function() look(pcall(coroutine.yield, "x")) end) end)))
return found
