-- attack: a pool that holds itself, by taking its name again
-- expect: ok ["bad_argument","bad_argument"]
-- allow: llm:*

llm.providers.create_mock("m", { "x" }, { cycle = true })
local inner = llm.pool.create("a", { "m" })
local codes = {}
for i, given in ipairs({ inner, "pool/a" }) do
  llm.pool.remove("b")
  local ok, err = pcall(function() return llm.pool.create("b", { given }):generate("x") end)
  if ok then print("ESCAPED") end
  codes[i] = err.code
end
return codes
