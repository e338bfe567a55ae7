-- attack: yields through pcall, xpcall, metamethods and callbacks, out of a task and back
-- expect: ok [1, 2, "end"]

local co = coroutine.wrap(function()
  pcall(function() xpcall(function() coroutine.yield(1) end, print) end)
  local t = setmetatable({}, {__index = function() coroutine.yield(2) return "end" end})
  return t.x
end)
local got = {co(), co(), co()}
if pcall(co) then print("ESCAPED a dead coroutine") end
local outer = pcall(function() coroutine.yield("ESCAPED") end)
if outer then print("ESCAPED") end
return got
