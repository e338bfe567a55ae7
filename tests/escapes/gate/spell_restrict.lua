-- attack: a tool that the spell has forbidden is run by a spell inside it, which says that it may
-- expect: ok "denied denied"
-- limits: time=20
-- allow: fs:{root}/**, tool

fs.write("{root}/inner.lua", [[
  tools.restrict("*", "allow")
  local ok, e = pcall(tools.execute, "file_delete", { path = "{root}/inner.lua" })
  return ok and "done" or e.code
]])
tools.restrict("file_*", "deny")
tools.from_spell("{root}/inner.lua", { name = "inner" })
local told = tools.execute("inner") .. " " .. spell.run("{root}/inner.lua").result
if not fs.exists("{root}/inner.lua") then print("ESCAPED") end
return told
