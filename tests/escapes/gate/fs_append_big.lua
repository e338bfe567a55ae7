-- attack: makes a file larger than one may be, piece by piece
-- expect: error too_large
-- limits: time=5, memory=64MB
-- allow: fs:{root}/**

local piece = ("x"):rep(1000000)
for i = 1, 18 do fs.append("grown", piece) end
print("ESCAPED with " .. fs.info("grown").size)
