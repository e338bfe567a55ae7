-- attack: fills the disk: every file is small enough, all together are not
-- expect: limit disk
-- limits: time=10, memory=64MB
-- allow: fs:{root}/**

local piece = ("x"):rep(1000000)
for i = 1, 40 do fs.write("file" .. i, piece) end
print("ESCAPED: wrote 40 MB")
