-- attack: puts functions back into the environment and the libraries
-- expect: error runtime : string.gsub is not part of the sandbox strict
-- sandbox: strict

string.gsub = string.gsub or nil
table.load, math.os = load, os
local kept = table.load or math.os
if kept then print("ESCAPED") end
return ("x"):gsub("x", "ESCAPED")
