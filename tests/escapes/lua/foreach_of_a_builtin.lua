-- attack: goes through a large table with a built-in as the function, which passes no safepoint
-- expect: limit steps
-- limits: steps=1000000, time=20

local t = {}
for i = 1, 2e5 do t[i] = "zz" end
for _ = 1, 1000 do table.foreach(t, string.find) end
print("ESCAPED")
