-- attack: yields a table that says it equals the private token, with a request of its own
-- expect: ok [true, false]

local forged = setmetatable({}, {__eq = function() return true end})
local co = coroutine.create(function()
  return coroutine.yield(forged, 1, "time.now", "[]")
end)
local ok, first = coroutine.resume(co)
if not rawequal(first, forged) then print("ESCAPED the token") end
local _, second = coroutine.resume(co, "mine")
if second ~= "mine" then print("ESCAPED an answer of the host: " .. tostring(second)) end
return {ok, first == nil}
