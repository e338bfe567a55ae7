-- attack: returns a list with a key that words itself, when the host is told what is wrong
-- expect: error runtime : the result mixes list items

local function trap() print("ESCAPED") while true do end end
return {1, 2, [setmetatable({}, {__tostring = trap, __name = "ESCAPED", __concat = trap})] = 3}
