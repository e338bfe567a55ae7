-- attack: has the host read an error from JSON that is nested too deep, or too long
-- expect: ok ["bad_argument", "bad_argument"]
-- limits: time=10

local deep = '{"message": "m", "cause": ' .. ("["):rep(100000) .. ("]"):rep(100000) .. "}"
local read, a = pcall(errors.from_json, deep)
if read then print("ESCAPED: read what is nested 100,000 deep") end
local _, b = pcall(errors.from_json, '{"message": "' .. ("x"):rep(900000) .. '", "y": "' .. ("y"):rep(150000) .. '"}')
return {a.code, b.code}
