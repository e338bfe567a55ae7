-- attack: reads a small text that makes millions of values
-- expect: error value | error bad_argument | limit time
-- limits: time=3, memory=64MB

json.decode("[" .. ("[],"):rep(300000) .. "1]")
print("ESCAPED")
