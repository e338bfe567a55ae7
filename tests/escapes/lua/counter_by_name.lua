-- attack: guesses the name of the step counter and sets it, as a local, a global and an upvalue
-- expect: limit steps
-- limits: steps=10000

local _n, _nf, _n_ = 1e18, function() return 1e18 end, 1e18
_n__, _n_f, _n__f, counter, quota, granted = 1e18, _nf, _nf, 1e18, 1e18, 1e18
for i = 1, 1000000 do
  _n, _n_, _n__ = 1e18, 1e18, 1e18
end
print("ESCAPED")
