-- attack: loops by a goto that follows a number which ends with a point
-- expect: limit steps
-- limits: steps=10000

local n = 0
::top::
n = n + 1
if n > 1000000 then return "ESCAPED" end
local x = 1. goto top
