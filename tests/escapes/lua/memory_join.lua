-- attack: joins one text of a megabyte a hundred times
-- expect: limit memory
-- limits: time=5, memory=8MB

local s, t = ("x"):rep(1e6), {}
for i = 1, 100 do t[i] = s end
pcall(table.concat, t)
print("ESCAPED")
