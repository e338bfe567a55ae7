-- attack: does the same in the iterator of string.gmatch and in string.gsub
-- expect: limit time
-- limits: time=0.15

pcall(string.gsub, ("("):rep(1e6), "%b()", "")
for word in (("("):rep(1e6)):gmatch("%b()") do end
print("ESCAPED")
