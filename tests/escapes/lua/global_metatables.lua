-- attack: puts failing metatables on _G and on debug, which host code might read outside a protected call
-- expect: ok "[1]"

local encode, fail = json.encode, error
debug = setmetatable({}, {__index = fail, __newindex = fail, __tostring = fail, __len = fail})
setmetatable(_G, {__index = fail, __newindex = fail, __pairs = fail, __metatable = "locked"})
pcall(function() return undefined_global end)
pcall(fail, setmetatable({}, {__index = fail, __tostring = fail}))
if getmetatable(_G) ~= "locked" then print("ESCAPED") end
return encode({1})
