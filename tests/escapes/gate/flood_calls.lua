-- attack: makes calls without end and catches what stops them
-- expect: limit calls
-- limits: calls=500, time=5, memory=64MB

for i = 1, 2000 do pcall(time.now) end
print("ESCAPED: made 2000 calls")
