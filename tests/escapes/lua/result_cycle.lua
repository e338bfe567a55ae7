-- attack: returns tables that contain themselves, and a graph that doubles at each level
-- expect: error runtime : is one of more than 100000 values

local cycle = {}
cycle.inner = {cycle}
local ok, why = pcall(json.encode, cycle)
if ok or not tostring(why):find("contains itself") then print("ESCAPED") end
local t = {}
for _ = 1, 30 do t = {t, t} end
return t
