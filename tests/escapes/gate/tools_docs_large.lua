-- attack: has the host write documents of many megabytes about tools with long texts
-- expect: limit memory | error bad_argument | ok "bad_argument"
-- allow: tool
-- limits: time=20, memory=64MB

local long = ("x"):rep(60000)
for i = 1, 200 do tools.register("t" .. i, long, {}, function() end) end
local ok, e = pcall(tools.docs, { format = "openapi" })
if ok then print("ESCAPED: wrote it all") end
return e.code
