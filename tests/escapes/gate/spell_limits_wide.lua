-- attack: asks for more than it has in a spell that it runs, and goes on where that met its own limit
-- expect: limit steps | limit time
-- limits: time=5, steps=200000
-- allow: fs:{root}/**

fs.write("{root}/loop.lua", "pcall(function() while true do end end) print('ESCAPED')")
local wide = {limits = {steps = 2 ^ 50, time = 1e9, memory = 2 ^ 50, calls = 2 ^ 50, cpu = 1e9}}
for _ = 1, 100 do pcall(spell.run, "{root}/loop.lua", {}, wide) end
print("ESCAPED")
