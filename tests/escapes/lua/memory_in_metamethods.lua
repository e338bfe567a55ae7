-- attack: uses memory up where a value is shown or read
-- expect: limit memory
-- limits: time=5, memory=8MB

local function hog() return ("x"):rep(1e9) end
local t = setmetatable({}, {__tostring = hog, __index = hog, __len = hog})
pcall(print, t)
pcall(function() return t.x end)
print("ESCAPED")
