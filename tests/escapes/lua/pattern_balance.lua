-- attack: looks for balanced brackets in a text that only opens them, which takes quadratic time
-- expect: limit time
-- limits: time=0.15

pcall(string.find, ("("):rep(1e6), "%b()")
print("ESCAPED")
