-- attack: has the host compile a pattern of dates of megabytes
-- expect: error bad_argument

time.parse("x", ("ab"):rep(1000000))
print("ESCAPED")
