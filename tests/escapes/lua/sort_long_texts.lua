-- attack: sorts texts of ten million bytes that differ in the last one
-- expect: limit time
-- limits: time=0.15

local stem = ("x"):rep(1e7)
local a, b = stem .. "a", stem .. "b"
local t = {}
for i = 1, 1e5 do t[i] = i % 2 == 0 and a or b end
table.sort(t)
print("ESCAPED")
