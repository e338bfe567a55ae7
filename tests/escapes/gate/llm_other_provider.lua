-- attack: has a provider asked that no grant names, which tells its address and its models
-- expect: ok "denied denied denied"
-- allow: llm:openai/*
-- limits: time=10, memory=64MB

local codes = {}
for i, f in ipairs({
  function() return llm.generate("x", { model = "ollama" }) end,
  function() return llm.stream("x", { model = "ollama/m" }) end,
  function() return agent.create({ model = "ollama" }) end,
}) do
  local ok, e = pcall(f)
  if ok or e.message:find("127.0.0.1", 1, true) then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
