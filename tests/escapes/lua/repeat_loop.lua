-- attack: runs a repeat loop whose condition is an endless call
-- expect: limit time
-- limits: time=0.15

local function never() return pcall(never) and false end
pcall(function() repeat until never() end)
pcall(function() repeat until false end)
print("ESCAPED")
