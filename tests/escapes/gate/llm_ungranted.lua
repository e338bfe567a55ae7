-- attack: asks a model that no grant names, by every call
-- expect: ok "denied denied denied denied denied"
-- allow: llm:openai/gpt-none

local codes = {}
for i, f in ipairs({
  function() llm.generate("x") end,
  function() llm.generate("x", { model = "test/offline" }) end,
  function() llm.generate_message({ { role = "user", content = "x" } }, { model = "test" }) end,
  function() llm.stream("x", { model = "test/offline" }) end,
  function() agent.create({ model = "test/offline" }) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
