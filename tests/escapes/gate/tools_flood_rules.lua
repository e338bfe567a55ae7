-- attack: adds rules without end
-- expect: ok "bad_argument bad_argument"
-- allow: tool

local first
for i = 1, 300 do
  local ok, e = pcall(tools.restrict, "t" .. i .. "*", "deny")
  if not ok then first = e.code break end
end
if not first then print("ESCAPED: no bound") end
local ok, e = pcall(tools.restrict, ("*a"):rep(100000), "deny")
if ok then print("ESCAPED: a long pattern") end
return first .. " " .. e.code
