-- attack: looks for every global and library function of Lua that reaches the machine
-- expect: ok 0

local names = {
  "dofile", "loadfile", "package", "warn", "newproxy", "getfenv", "setfenv", "module", "jit", "ffi",
  "bit", "bit32", "gcinfo", "python", "lupa", "os.execute", "os.exit", "os.getenv", "os.remove",
  "os.rename", "os.tmpname", "os.setlocale", "io.open", "io.popen", "io.lines", "io.close",
  "io.input", "io.output", "io.tmpfile", "io.type", "io.stdin", "io.stdout", "io.stderr",
  "string.dump", "table.create", "debug.debug", "debug.gethook", "debug.getinfo", "debug.getlocal",
  "debug.getmetatable", "debug.getregistry", "debug.getupvalue", "debug.getuservalue",
  "debug.sethook", "debug.setlocal", "debug.setmetatable", "debug.setupvalue",
  "debug.setuservalue", "debug.upvalueid", "debug.upvaluejoin", "debug.setcstacklimit",
}
local found = 0
for _, name in ipairs(names) do
  local value = _G
  for part in name:gmatch("%w+") do
    value = type(value) == "table" and value[part] or nil
  end
  if value ~= nil then
    print("ESCAPED " .. name)
    found = found + 1
  end
end
return found
