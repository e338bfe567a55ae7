-- attack: has the calculator read an expression of megabytes
-- expect: error bad_argument

tools.calculate(("1+"):rep(1000000) .. "1")
print("ESCAPED")
