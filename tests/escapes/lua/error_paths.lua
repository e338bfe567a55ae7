-- attack: reads paths, types and text of Python from the errors of host calls
-- expect: ok 0
-- limits: time=10

local found = 0
for _, f in ipairs({
  function() json.decode("{") end, function() json.decode(("["):rep(100000)) end, function() json.decode("\255") end,
  function() json.encode({[1.5] = 1}) end, function() json.decode(("9"):rep(5000)) end, function() time.iso(1e300) end,
  function() time.iso(0, "../../etc/passwd") end, function() time.format(0, ("%Y"):rep(1e5)) end,
  function() time.format(0, "%", "x") end, function() time.parse("x", "%Q") end, function() sleep("x") end,
  function() sleep(-1) end, function() tools.calculate("__import__('os')") end,
  function() tools.calculate("9**9**9") end, function() tools.calculate(("("):rep(1000)) end,
  function() tools.execute("no", {}) end, function() tools.get_info("../x") end, function() log.info({}) end,
  function() log.info("x", 5) end, function() fs.read("/etc/passwd") end, function() fs.list("\0") end,
  function() http.get("file:///etc/passwd") end, function() env.get("PATH") end, function() llm.generate({}) end,
  function() require("../../etc/passwd") end, function() agent.create({model = {}}) end,
  function() io.read({}) end, function() io.write({}) end, function() tools.register("x", "d", 5, 5) end,
}) do
  local ok, fault = pcall(f)
  local text = tostring(fault):lower()
  for _, mark in ipairs({"traceback", "site%-packages", "%.py", "0x%x%x%x", "errno", "src/", "/work", "/home", "object at", "nonetype", "pydantic"}) do
    if not ok and text:find(mark) then
      print("ESCAPED " .. text)
      found = found + 1
    end
  end
end
return found
