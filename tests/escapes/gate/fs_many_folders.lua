-- attack: makes folders until the file system has no more entries
-- expect: limit calls
-- limits: time=10, memory=64MB, calls=200
-- allow: fs:{root}/**

for i = 1, 1000 do fs.make_directory("d" .. i) end
print("ESCAPED: made 1000 folders with 200 calls")
