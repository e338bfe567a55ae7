-- attack: returns a small table with keys of a megabyte, which make up its paths
-- expect: limit memory
-- limits: time=5, memory=64MB

local t = {}
for _ = 1, 31 do t = {[("k"):rep(1e6)] = t} end
do return t end
print("ESCAPED")
