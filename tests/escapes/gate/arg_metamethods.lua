-- attack: gives values that run its own code while the host reads them
-- expect: ok "held"
-- allow: fs:{root}/**

local ran = false
local trap = setmetatable({ path = 1 }, {
  __index = function() ran = true return "x" end, __pairs = function() ran = true return next, {} end,
  __len = function() ran = true return 5 end, __tostring = function() ran = true return "x" end,
  __eq = function() ran = true return true end, __concat = function() ran = true return "x" end,
})
pcall(json.encode, trap) pcall(fs.read, trap) pcall(log.info, trap) pcall(log.info, "x", trap) pcall(tools.calculate, trap)
if ran then print("ESCAPED: code ran while its value was read") end
return "held"
