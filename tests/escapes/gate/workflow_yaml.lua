-- attack: gives YAML whose aliases stand for billions of steps, tags of Python, and megabytes
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"
-- limits: time=10, memory=64MB

local lines = { "a: &a [x, x, x, x, x, x, x, x, x, x]" }
for i = 1, 12 do
  local before, here = string.char(96 + i), string.char(97 + i)
  lines[#lines + 1] = here .. ": &" .. here .. " [" .. ("*" .. before .. ", "):rep(9) .. "*" .. before .. "]"
end
local codes = {}
for i, text in ipairs({ table.concat(lines, "\n"), "steps: !!python/object/apply:os.system ['true']", ("- "):rep(100000), "steps: " .. ("x"):rep(2000000) }) do
  local ok, e = pcall(workflow.import, text)
  if ok then print("ESCAPED by text " .. i) end
  codes[i] = e.code
end
return table.concat(codes, " ")
