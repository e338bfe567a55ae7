-- attack: has tasks wait for each other, and for themselves
-- expect: error runtime : deadlock

local a, b
a = async(function() await(b) print("ESCAPED") end)
b = async(function() await(a) print("ESCAPED") end)
await(a)
