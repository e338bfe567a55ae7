-- attack: starts programs without a grant, or one that no grant names
-- expect: ok "denied denied denied denied"
-- allow: exec:true

local codes = {}
for _, argv in ipairs({ { "sh", "-c", "echo ESCAPED" }, { "/bin/sh" }, { "true;sh" }, { "{root}/true" } }) do
  local ok, e = pcall(process.exec, argv)
  if ok then print("ESCAPED " .. e.stdout) end
  codes[#codes + 1] = ok and "done" or e.code
end
return table.concat(codes, " ")
