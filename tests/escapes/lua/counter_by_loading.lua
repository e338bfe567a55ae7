-- attack: sets the step counter from loaded text, which has no name of the program
-- expect: limit steps
-- limits: steps=10000

local reset = load("_n, _nf, _n_, _n_f = 1e18, function() return 1e18 end, 1e18, function() return 1e18 end")
for i = 1, 3000 do reset() end
for i = 1, 1000000 do end
print("ESCAPED")
