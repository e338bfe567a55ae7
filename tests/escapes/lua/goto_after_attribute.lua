-- attack: loops by a goto that follows an attribute, whose ">" looks like an operator
-- expect: limit steps
-- limits: steps=10000

local n = 0
::top::
n = n + 1
if n > 1000000 then return "ESCAPED" end
local x <const> goto top
