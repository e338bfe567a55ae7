-- attack: requires a module whose name ends early
-- expect: ok "held"

for _, name in ipairs({ "inside\0", "x\0.lua", "\0", "x\n", ("x"):rep(100000), "\xff" }) do
  local ok, e = pcall(require, name)
  if ok then print("ESCAPED") end
end
return "held"
