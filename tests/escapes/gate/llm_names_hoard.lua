-- attack: names models of half a megabyte, ever new ones, so that the host keeps and compares them after the run
-- expect: ok "refused"
-- limits: time=30, memory=64MB
-- allow: llm:**

local long = ("x"):rep(500000)
local asked = {
  function(name) llm.generate("x", { model = "openai/" .. name }) end,
  function(name) llm.embed("x", { model = "openai/" .. name }) end,
  function(name) llm.pool.create("p", { "openai/" .. name }) end,
  function(name) agent.create({ model = "openai/" .. name }):run("x") end,
  function(name) modelinfo.get("openai/gpt-4o-" .. name) end,
  function(name) modelinfo.estimate_cost("openai/gpt-4o-" .. name, 1) end,
  function(name) llm.providers.create("q", { provider = "openai", model = name }) end,
}
for i = 1, 5 do
  for n, ask in ipairs(asked) do
    local ok, e = pcall(ask, i .. long)
    if ok or e.code ~= "bad_argument" then print("ESCAPED: " .. n .. " took the name: " .. tostring(e)) end
  end
end
return "refused"
