-- attack: tells what exists from what is not granted
-- expect: ok "same same same"

local function said(f, name)
  local ok, e = pcall(f, name)
  if ok then print("ESCAPED " .. name) end
  return e.code .. ": " .. e.message:gsub(name, "NAME", 2)
end
local out = {}
for i, case in ipairs({
  { tools.execute, "calculator", "no_such_tool" },
  { env.get, "PATH", "NO_SUCH_VARIABLE" },
  { fs.read, "inside", "missing" },
}) do
  out[i] = said(case[1], case[2]) == said(case[1], case[3]) and "same" or "differs"
end
return table.concat(out, " ")
