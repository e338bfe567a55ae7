-- attack: has the calculator raise a large number to a large power
-- expect: error bad_argument

tools.calculate("3999999 ** 3999999")
print("ESCAPED")
