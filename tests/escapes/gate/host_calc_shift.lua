-- attack: has the calculator multiply numbers until they have millions of digits
-- expect: error bad_argument | error value

local power = "(9 ** 99999)"
tools.calculate(power .. (" * " .. power):rep(200))
print("ESCAPED")
