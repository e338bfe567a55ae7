-- attack: names an address where a provider belongs
-- expect: ok "model_unknown model_unknown model_unknown"
-- limits: time=10, memory=64MB
-- allow: llm

local codes = {}
for i, model in ipairs({ "http://{server}/v1/m", "//{server}/m", "../openai/m" }) do
  local ok, e = pcall(llm.generate, "x", { model = model })
  if ok then print("ESCAPED " .. model) end
  codes[i] = ok and "asked" or e.code
end
return table.concat(codes, " ")
