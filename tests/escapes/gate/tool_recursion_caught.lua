-- attack: a tool that runs itself without end and catches what stops it
-- expect: limit calls | limit tasks | limit time | limit memory
-- limits: time=5, memory=64MB
-- allow: tool

tools.register("again", "d", {}, function()
  pcall(tools.execute, "again", {})
  pcall(tools.execute, "again", {})
end)
for i = 1, 1e6 do pcall(tools.execute, "again", {}) end
print("ESCAPED")
