-- attack: names another model than the granted one behind the back of the grants
-- expect: ok "bad_argument denied"
-- allow: llm:test/offline

local codes = {}
for _, name in ipairs({ "model", "Model", "models", "m_o_d_e_l" }) do
  local ok, e = pcall(llm.generate, "x", {
    model = "test/offline",
    provider_options = { [name] = "openai/gpt-6-luna" },
  })
  if ok then return "ESCAPED with " .. name end
  codes[1] = e.code
end
local ok, e = pcall(llm.set_defaults, { model = "openai/gpt-6-luna" })
ok, e = pcall(llm.generate, "x")
codes[2] = ok and "ESCAPED by a default" or e.code
return table.concat(codes, " ")
