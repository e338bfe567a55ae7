-- attack: overflows the stack again and again, and catches it
-- expect: limit time | limit memory
-- limits: time=0.15

local function down() return 1 + down() end
while true do pcall(down) end
print("ESCAPED")
