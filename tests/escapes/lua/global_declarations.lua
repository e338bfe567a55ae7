-- attack: declares globals so that undeclared names are errors, to break the code put in between
-- expect: limit steps
-- limits: steps=10000
-- engines: lua55

global<const> print, load
global n
n = 0
global function again() n = n + 1 if n < 1000000 then return again() end end
again()
print("ESCAPED")
