-- attack: loops in the callback of string.gsub, and calls itself from there
-- expect: limit time
-- limits: time=0.15

local function again() return pcall(string.gsub, "aaaa", "a", again) and "x" end
pcall(again)
pcall(string.gsub, "a", "a", function() while true do end end)
print("ESCAPED")
