-- attack: grows tables of tables
-- expect: limit memory
-- limits: time=5, memory=8MB

local t = {}
pcall(function() while true do t = {t, {}, [1.5] = {}} end end)
print("ESCAPED")
