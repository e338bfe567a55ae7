-- attack: loops where a variable is closed, after an error and after a loop
-- expect: limit time
-- limits: time=0.15

local function guard() return setmetatable({}, {__close = function() pcall(function() while true do end end) end}) end
pcall(function() local g <close> = guard() error("x") end)
for _ in next, {1}, nil, guard() do break end
print("ESCAPED")
