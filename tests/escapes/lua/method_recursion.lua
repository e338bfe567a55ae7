-- attack: loops by methods with long names and comments in their heads
-- expect: limit steps
-- limits: steps=10000

local a = {b = {c = {n = 0}}}
function a . b --[[ ( ]] . c --( do
  : again(...) self.n = self.n + 1 if self.n < 1e6 then return self:again(...) end end
a.b.c:again(1, 2)
print("ESCAPED")
