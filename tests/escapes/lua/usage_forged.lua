-- attack: asks for usage with arguments that could change it
-- expect: error bad_argument

local before = usage()
usage({ limits = { calls = 10 ^ 9 } })
print("ESCAPED")
