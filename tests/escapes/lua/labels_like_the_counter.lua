-- attack: names labels, fields, attributes and parameters like the step counter
-- expect: limit steps
-- limits: steps=10000

local t = {_n = 1, _nf = print}
function t._nf(_n, _nf_) return _n end
local _n_ <const> = 5
local n = 0
::_n::
::_nf::
n = n + t._nf(1)
if n < 1000000 then goto _n end
print("ESCAPED")
