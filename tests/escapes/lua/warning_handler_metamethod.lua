-- attack: puts a table that can be called in the place of the handler, and a trap at its name
-- expect: ok 95
-- limits: calls=100

local n = 0
setmetatable(_G, { __index = function(_, k) print("ESCAPED", k) end })
on_resource_warning = setmetatable({}, { __call = function() print("ESCAPED") end })
for i = 1, 95 do
  time.now()
  n = n + 1
end
return n
