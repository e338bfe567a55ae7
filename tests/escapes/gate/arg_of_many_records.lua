-- attack: lists of many handles and records, and of lists of them, each of which the host looks at
-- expect: ok [true, true, true]
-- limits: time=5
-- allow: llm:**, tool:*

local function refused(call, ...)
  local ok, err = pcall(call, ...)
  return not ok and err.message:find("at most 10000 items", 1, true) ~= nil
end

local agent, many, deep, told = agent.create({model = "test/offline"}), {}, {}, {}
for i = 1, 20000 do many[i] = agent end
told[1] = refused(agent.add_tools, agent, many)
for i = 1, 20000 do many[i] = {role = "user", content = "x"} end
told[2] = refused(agent.reset, agent, many)
local calls = {}
for i = 1, 200 do calls[i] = {name = "x", args = {}} end
for i = 1, 100 do deep[i] = {role = "assistant", content = "x", tool_calls = calls} end
told[3] = refused(agent.reset, agent, deep)
if not (told[1] and told[2] and told[3]) then print("ESCAPED: all of them were looked at") end
return told
