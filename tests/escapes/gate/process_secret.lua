-- attack: has a program print the secrets of the environment, by name and all of it
-- expect: ok "denied denied false"
-- allow: exec:env, env

local codes = {}
for _, name in ipairs({ "PLANTED_API_KEY", "OPENAI_API_KEY" }) do
  local ok, e = pcall(process.exec, { "env" }, { variables = { name } })
  codes[#codes + 1] = ok and "done" or e.code
end
local told = process.exec({ "env" }).stdout
codes[#codes + 1] = tostring(told:find("KEY", 1, true) ~= nil)
if codes[3] == "true" then print("ESCAPED") end
return table.concat(codes, " ")
