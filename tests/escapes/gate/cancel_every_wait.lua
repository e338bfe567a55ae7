-- attack: cancels each kind of call in the midst of it, at once and later, so that one stays behind
-- expect: ok [0, 60]
-- limits: time=10, tasks=400
-- allow: llm:**, tool:*, fs.read:{root}/**, net:{server}

local calls = {
  function() llm.generate("x", {model = "test/offline"}) end, function() sleep(5) end,
  function() time.sleep(5) end, function() channel.make():receive() end,
  function() channel.select({{receive = channel.make()}}) end,
  function() http.get("http://{server}/slow") end,
  function() tools.execute("calculator", {expression = "1+1"}) end,
  function() agent.create({model = "test/offline"}):run("x") end,
  function()
    workflow.create({steps = {{id = "a", call = "f"}}}, {f = function() sleep(5) end}):run()
  end,
  function() errors.retry(function() error("x") end, {max_attempts = 100}) end,
  function() parallel({function() sleep(5) end, function() sleep(5) end}) end,
  function() io.read() end,
  function() fs.search("{root}", {pattern = "**"}) end,
  function() structured.generate("x", {type = "object"}, {model = "test/offline"}) end,
  function() llm.batch({"a", "b"}, {model = "test/offline"}) end,
  function() csv.decode(("a,b\n"):rep(20000)) end,
  function() text.find(("a"):rep(900000), "(a+)+$") end,
  function() tools.parallel({{name = "calculator"}}) end,
  function() for _ in llm.stream("x", {model = "test/offline"}) do sleep(0.01) end end,
  function() spell.run("{root}/none.lua") end,
}
local went_on, ended = 0, 0
for _, wait in ipairs({0, 0.001, 0.01}) do
  local tasks = {}
  for i, call in ipairs(calls) do
    tasks[i] = async(function()
      pcall(call)
      sleep(0.05)
      if wait == 0 then went_on = went_on + 1 end
    end)
  end
  sleep(wait)
  for _, task in ipairs(tasks) do task:cancel() end
  for _, task in ipairs(tasks) do
    pcall(await, task)
    ended = ended + 1
  end
end
if went_on > 0 then print("ESCAPED: a cancelled task went on") end
return {went_on, ended}
