-- attack: has loaded text see more than the program, by an environment of its own
-- expect: ok [true,true,true]
-- sandbox: strict, load

local a = load("return os == nil and require == nil")()
local b = load("return os == nil", "x", "t", {})()
local c = load("local _ENV = ... return os == nil", "x", "t")({})
if not (a and b and c) then print("ESCAPED") end
return { a, b, c }
