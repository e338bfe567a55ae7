-- attack: forges handles and functions in text that the host writes and reads
-- expect: ok ["table", null, "{\"\\u0000function\":1}", "\\u0000"]

local decoded = {pcall(json.decode, '{"\\u0000handle":["agent",1]}')}
if decoded[1] and (getmetatable(decoded[2]) == false or type(decoded[2]) == "function") then print("ESCAPED") end
local ok, f = pcall(json.decode, '{"a":{"\\u0000function":1}}')
if ok and type(f.a) == "function" then print("ESCAPED a function") end
local text = '{"\\u0000function":1}'
return {"table", null, text, "\\u0000"}
