-- attack: returns keys that are compared when they are put in order
-- expect: error runtime

local function trap() print("ESCAPED") while true do end end
local key = setmetatable({}, {__lt = trap, __le = trap, __tostring = trap, __concat = trap, __eq = trap})
return {a = 1, b = 2, [key] = 3, [2.5] = 4, [print] = 5, [true] = 6}
