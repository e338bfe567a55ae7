-- attack: a table that print turns into text by printing it, again and again without a safepoint
-- expect: limit time
-- limits: time=0.15

local v = setmetatable({}, {__tostring = print})
local often = load("local pcall, f, v = ... " .. ("pcall(f, v) "):rep(200))
often(pcall, tostring, v)
often(pcall, print, v)
print("ESCAPED")
