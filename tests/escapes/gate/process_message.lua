-- attack: learns from a refusal where its folder is
-- expect: ok "no grant for exec where ./tool leads"
-- allow: exec:nothing

local _, why = pcall(process.exec, {"./tool"})
if why.message:find("{root}", 1, true) then print("ESCAPED") end
for _, name in ipairs({"/proc/self/cwd/tool", "//dev/../proc/self/cwd/tool", "/dev/fd/0", "/proc/self/exe"}) do
  local _, seen = pcall(process.exec, {name})
  if not seen.message:find("no grant for exec where " .. name .. " leads", 1, true) then print("ESCAPED") end
end
return why.message
