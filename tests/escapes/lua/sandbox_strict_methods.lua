-- attack: reaches removed functions of texts as their methods
-- expect: ok [false,false,false,false]
-- sandbox: strict

local out = {}
for i, name in ipairs({ "gsub", "find", "pack", "gmatch" }) do
  out[i] = pcall(function() return (""):gsub("", "ESCAPED") end) or ("x")[name] ~= nil
  if out[i] then print("ESCAPED", name) end
end
return out
