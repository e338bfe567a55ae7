-- attack: makes an argument whose text is larger than its parts
-- expect: limit memory
-- limits: time=5, memory=8MB

local t, s = {}, ("\1"):rep(1e5)
for i = 1, 1000 do t[i] = s end
pcall(json.encode, t)
print("ESCAPED")
