-- attack: changes what it may do: level, grants and limits as globals and parameters
-- expect: ok "denied"

level, allow, limits, policy = "privileged", { "fs:/**" }, {}, {}
params.level, params.allow = "privileged", { "fs" }
for _, name in ipairs({ "allow", "grant", "policy", "session", "demand" }) do
  if type(_G[name]) == "function" then print("ESCAPED: there is " .. name) end
end
local ok, e = pcall(fs.read, "inside.txt")
if ok then print("ESCAPED") end
return ok or e.code
