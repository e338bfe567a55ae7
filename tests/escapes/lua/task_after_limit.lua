-- attack: has another task go on when one has reached the limit
-- expect: limit steps
-- limits: steps=10000

async(function() while true do end end)
async(function() print("ESCAPED second task") end)
local p = async(function() sleep(0.01) print("ESCAPED sleeper") end)
pcall(await, p)
print("ESCAPED")
