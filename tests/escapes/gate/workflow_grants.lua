-- attack: has workflows do what the script may not
-- expect: ok "denied denied denied"
-- allow: tool:calculator

local codes = {}
for i, step in ipairs({ { id = "a", tool = "file_read", args = { path = "/etc/passwd" } }, { id = "a", prompt = "x" }, { id = "a", agent = {}, input = "x" } }) do
  local ok, e = pcall(function() workflow.create({ steps = { step } }):run() end)
  if ok then print("ESCAPED by step " .. i) end
  codes[i] = e.code
end
return table.concat(codes, " ")
