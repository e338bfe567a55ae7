-- attack: calls the loader of modules itself, or the libraries of Lua's own
-- expect: ok "held"

for _, name in ipairs({ "module", "package", "dofile", "loadfile", "python", "ffi" }) do
  if rawget(_G, name) ~= nil then print("ESCAPED: there is " .. name) end
end
for _, name in ipairs({ "package", "io", "debug", "ffi", "jit", "python", "lupa", "_G.package" }) do
  local ok, found = pcall(require, name)
  if ok and type(found) == "table" and (found.loadlib or found.popen or found.getregistry or found.C) then print("ESCAPED by " .. name) end
end
return "held"
