-- attack: looks for a long text without any pattern, which takes quadratic time
-- expect: limit time
-- limits: time=0.15

pcall(string.find, ("a"):rep(8e6), ("a"):rep(4e6) .. "b", 1, true)
print("ESCAPED")
