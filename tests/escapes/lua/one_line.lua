-- attack: hides a loop at the end of one line of half a megabyte
-- expect: limit steps
-- limits: steps=10000, time=10

local line = ("x='do end'--[[do]]y=0xdo "):gsub("0xdo", "0xd0"):rep(20000)
assert(load(line .. "while true do end print('ESCAPED')"))()
print("ESCAPED")
