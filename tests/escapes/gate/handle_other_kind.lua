-- attack: gives a handle of one kind where another is wanted
-- expect: ok "bad_argument bad_argument bad_argument"
-- limits: time=10, memory=64MB
-- allow: llm:test/offline

local worker, text = agent.create({ model = "test/offline" }), llm.stream("x", { model = "test/offline" })
local codes = {}
for i, f in ipairs({
  function() return stream.next(worker) end,
  function() return agent.run(text, "x") end,
  function() return stream.close(worker) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
