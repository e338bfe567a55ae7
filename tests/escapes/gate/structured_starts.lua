-- attack: has the host read one text as JSON again from each of many places, to its end
-- expect: ok "held" | limit time
-- limits: time=60, memory=64MB

local text = ("["):rep(29) .. ("1,"):rep(100000) .. ("["):rep(40)
local began = time.now()
pcall(structured.parse, text)
if time.now() - began > 10 then print("ESCAPED: held up the host") end
return "held"
