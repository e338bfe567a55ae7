-- attack: returns a table of a hundred thousand items and one, and one with as many keys
-- expect: error runtime : is one of more than 100000 values
-- limits: time=5

local list, map = {}, {}
for i = 1, 100001 do list[i], map["k" .. i] = i, i end
if pcall(json.encode, map) then print("ESCAPED") end
return list
