-- attack: functions whose names are no text, or are cut in the middle of a character
-- expect: error denied

local t = {}
t["\xff\0"] = function() fs.read("x") end -- ESCAPED is never shown
t[("n"):rep(99) .. "\xc3\xa9"] = function() t["\xff\0"]() return 1 end
print(pcall(t[("n"):rep(99) .. "\xc3\xa9"]))
local function again() t[("n"):rep(99) .. "\xc3\xa9"]() return 2 end
again()
