-- attack: handles and functions at the deepest level, and more of them than can be told as tables
-- expect: ok [true, true, true]
-- limits: time=5

local function refused(v)
  local ok, err = pcall(json.encode, v)
  return not ok and err.message:find("cannot be written as JSON", 1, true) ~= nil
end

local c, handles, deep, deeper = channel.make(1), {}, print, channel.make(1)
for i = 1, 30000 do handles[i] = c end
for _ = 1, 32 do deep, deeper = {deep}, {deeper} end
local told = {refused(handles), refused(deep), refused(deeper)}
if not (told[1] and told[2] and told[3]) then print("ESCAPED: they were taken for values") end
return told
