-- attack: runs a tool it has forbidden, and one it has no grant for, by names that look the same
-- expect: ok "held"
-- limits: time=20
-- allow: tool:mine_*, tool:json_*, fs.read:{root}/**

tools.register("mine_run", "d", { type = "object" }, function() print("ESCAPED: the forbidden one ran") return 1 end)
tools.restrict("mine_*", "deny")
tools.restrict("json_*", "deny")
for _, name in ipairs({
  "mine_run", "MINE_RUN", "mine_run ", " mine_run", "mine_run\0", "mine\u{200b}_run", "m\u{456}ne_run", "mine\u{ff3f}run", "mine_run\n",
  "json_parse", "JSON_parse", "json_parse ", "json\u{ff3f}parse", "file_read", "\u{fb01}le_read", "json_/../file_read", "json_*", "*", "",
}) do
  local ok = pcall(tools.execute, name, { text = "[1]", path = "inside.txt" })
  if ok then print("ESCAPED by executing " .. name) end
  ok = pcall(function()
    local told = tools.parallel({ { name = name, args = { text = "[1]", path = "inside.txt" } } })
    assert(told[1].ok)
  end)
  if ok then print("ESCAPED in parallel by " .. name) end
  if pcall(tools.pipeline, { name }, { text = "[1]" }) then print("ESCAPED in a pipeline by " .. name) end
  if pcall(tools.register, name, "d", { type = "object" }, function() return 1 end) and name ~= "mine_run" then
    if pcall(tools.execute, name, {}) then print("ESCAPED by registering " .. name) end
  end
end
return "held"
