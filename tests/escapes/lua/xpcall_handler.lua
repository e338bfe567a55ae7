-- attack: loops in the message handler of xpcall, and in the handler of that
-- expect: limit time
-- limits: time=0.15

local function handler() while true do end end
xpcall(function() xpcall(error, handler, "inner") end, function() print("ESCAPED handler") while true do end end)
print("ESCAPED")
