-- attack: learns from a refusal where its folder is
-- expect: ok "no grant for exec where ./tool leads"
-- allow: exec:nothing

local _, why = pcall(process.exec, {"./tool"})
if why.message:find("{root}", 1, true) then print("ESCAPED") end
return why.message
