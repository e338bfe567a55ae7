-- attack: matches optional items and captures, which backtrack exponentially in a short text
-- expect: limit time
-- limits: time=0.15

pcall(string.match, ("a"):rep(32), ("a?"):rep(32) .. ("(a*)"):rep(8) .. "b")
print("ESCAPED")
