-- attack: takes the environment away, so that whatever the counter might read from it fails
-- expect: limit steps
-- limits: steps=10000

local print = print
local _ENV = nil
local n = 0
while true do
  n = n + 1
  if n > 1000000 then break end
end
print("ESCAPED")
