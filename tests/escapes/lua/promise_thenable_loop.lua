-- attack: a table that is taken for a promise and resolves with itself, for ever
-- expect: limit time
-- limits: time=0.3

local self
self = {and_then = function(_, resolve) resolve(self) end}
pcall(await, promise.resolve(self))
print("ESCAPED")
