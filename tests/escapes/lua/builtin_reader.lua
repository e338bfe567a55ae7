-- attack: loads from a built-in function, which is a loop without a counted step
-- expect: limit time | limit memory
-- limits: time=0.15

pcall(load, os.date)
print("ESCAPED")
