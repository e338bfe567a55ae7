-- attack: makes a provider fail, to see its key in the error
-- expect: ok "held"
-- limits: time=10, memory=64MB
-- allow: llm

-- Keys are planted in the environment of the runner; the provider cannot be reached from a test.
for _, model in ipairs({ "openai_compatible/x", "nobody/x", "SECRET/x" }) do
  local ok, e = pcall(llm.generate, "x", { model = model, timeout = 0.2 })
  if not ok and e.message:find("SECRET%-MARKER") then print("ESCAPED " .. e.message) end
end
return "held"
