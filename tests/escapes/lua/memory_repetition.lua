-- attack: repeats a text 10^15 times, also an empty one with a separator
-- expect: limit memory
-- limits: time=5, memory=8MB

pcall(string.rep, "", 1e15, "x")
pcall(string.rep, "x", 1e15)
pcall(string.rep, "x", 1e9)
print("ESCAPED")
