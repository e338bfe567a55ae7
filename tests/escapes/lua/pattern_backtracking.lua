-- attack: matches a pattern that backtracks for years
-- expect: limit time
-- limits: time=0.15

pcall(string.find, ("a"):rep(1e4), ".-.-.-.-b$")
print("ESCAPED")
