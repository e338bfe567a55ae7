-- attack: has a pattern of dates make hundreds of megabytes
-- expect: error bad_argument

time.format(0, ("%99999d"):rep(100000))
print("ESCAPED")
