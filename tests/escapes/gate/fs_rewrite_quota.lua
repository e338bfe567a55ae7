-- attack: writes one file again and again, which fills no disk and still wears it
-- expect: limit disk
-- limits: time=10, memory=64MB
-- allow: fs:{root}/**

local piece = ("x"):rep(1000000)
for i = 1, 40 do fs.write("file", piece) end
print("ESCAPED: wrote 40 MB")
