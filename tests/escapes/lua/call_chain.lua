-- attack: calls a table whose __call is the table itself, which Lua 5.4 follows to the end of the stack
-- expect: error | limit time
-- limits: time=0.15
-- only: isolated, because it is one call into C that takes minutes on Lua 5.4

local t = setmetatable({}, {})
getmetatable(t).__call = t
t()
print("ESCAPED")
