-- attack: goes beyond what * means: private hosts, secrets, system trees
-- expect: ok "denied denied denied denied"
-- allow: net:*, env:*, llm:*, tool:*, fs:{root}/*

local codes = {}
for i, f in ipairs({
  function() return http.get("http://{server}/") end,
  function() return env.get("OPENAI_API_KEY") end,
  function() return fs.read("/proc/self/environ") end,
  function() return fs.read("link") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
