-- attack: takes a rule back by registering and restricting in every order, to run what wants confirmation
-- expect: ok "denied denied denied denied"
-- allow: tool

local codes = {}
local function try(f)
  local ok, e = pcall(f)
  codes[#codes + 1] = ok and "done" or e.code
end
local function run() print("ESCAPED") end
tools.register("wipe", "Wipes.", {}, run, { requires_confirmation = true })
try(function() tools.execute("wipe") end)
tools.restrict("*", "allow")
tools.restrict("wipe", "allow")
try(function() tools.execute("wipe") end)
tools.compose("innocent", { "wipe" })
try(function() tools.execute("innocent") end)
tools.register("other", "Other.", {}, run, { requires_confirmation = true })
try(function() tools.pipeline({ "other" }, {}) end)
return table.concat(codes, " ")
