-- attack: packs a text of a gigabyte
-- expect: limit memory
-- limits: time=5, memory=8MB

pcall(string.pack, "c1000000000", "x")
print("ESCAPED")
