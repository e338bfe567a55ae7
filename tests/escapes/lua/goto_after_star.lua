-- attack: loops by a goto that follows "global *", whose star looks like an operator
-- expect: limit steps
-- limits: steps=10000
-- engines: lua55

global *
local n = 0
::top::
n = n + 1
if n > 1000000 then return "ESCAPED" end
global * goto top
