-- attack: returns a value whose text is larger than the memory
-- expect: limit memory
-- limits: time=5, memory=8MB

local t, s = {}, ("\1"):rep(1e5)
for i = 1, 1000 do t[i] = s end
do return t end
print("ESCAPED")
