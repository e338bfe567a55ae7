-- attack: two arguments of which neither is too wide, and more of them than there are parameters
-- expect: ok [true, true, true]

local function refused(call, ...)
  local ok, err = pcall(call, ...)
  return not ok and err.message:find("100000 values", 1, true) ~= nil
end

local list = {}
for i = 1, 60000 do list[i] = 1 end
local told = {refused(schema.validate, list, {enum = list})}
for i = 60001, 99999 do list[i] = 1 end
told[2] = refused(json.encode, list, 1)
for i = 100000, 150000 do list[i] = 1 end
told[3] = refused(json.encode, unpack(list))
if not (told[1] and told[2] and told[3]) then print("ESCAPED: all of them crossed") end
return told
