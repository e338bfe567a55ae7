-- attack: calls the host for ever from a hundred tasks at once
-- expect: limit calls
-- limits: time=20

local list = {}
for i = 1, 99 do list[i] = function() while true do pcall(time.now) end end end
pcall(parallel, list)
print("ESCAPED")
