-- attack: keeps loaded functions, whose constants are held outside of tables
-- expect: limit memory
-- limits: time=5, memory=8MB

local kept = {}
pcall(function() while true do kept[#kept + 1] = load("return '" .. ("x"):rep(1e5) .. #kept .. "'") end end)
print("ESCAPED")
