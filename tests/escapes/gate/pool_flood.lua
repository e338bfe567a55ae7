-- attack: makes pools, mocks and names of models without end
-- expect: ok [64,64,true]
-- limits: time=20
-- allow: llm:*

local function most(make)
  for i = 1, 10000 do
    if not pcall(make, i) then return i - 1 end
  end
end
local mocks = most(function(i) llm.providers.create_mock("m" .. i, { "x" }) end)
local pools = most(function(i) llm.pool.create("p" .. i, { "m1" }) end)
if mocks > 64 or pools > 64 then print("ESCAPED") end
local wide = {}
for i = 1, 64 do wide[i] = "m" .. i end
return { mocks, pools, not pcall(llm.pool.create, "wide", wide) }
