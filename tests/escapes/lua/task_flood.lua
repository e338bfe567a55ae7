-- attack: starts tasks that start tasks
-- expect: limit tasks

local function breed()
  pcall(async, breed)
  pcall(async, breed)
  sleep(0.01)
end
pcall(breed)
local list = {}
for i = 1, 1000 do list[i] = breed end
pcall(parallel, list)
print("ESCAPED")
