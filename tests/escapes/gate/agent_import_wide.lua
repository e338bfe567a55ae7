-- attack: a snapshot that holds very many agents, or one nested very deep
-- expect: ok ["bad_argument", "bad_argument", "bad_argument"]
-- limits: time=20
-- allow: llm:**

local one = '{"agent": {"options": {"model": "test/offline"}}}'
local wide = '{"version": 1, "options": {"model": "test/offline", "tools": [' .. one .. (", " .. one):rep(5000) .. ']}}'
local inner = '{"options": {"model": "test/offline"}}'
for i = 1, 30 do inner = '{"options": {"model": "test/offline", "name": "n' .. i .. '", "tools": [{"agent": ' .. inner .. '}]}}' end
local deep = '{"version": 1, ' .. inner:sub(2)
local deeper = ('['):rep(100000)
local out = {}
for i, text in ipairs({wide, deep, deeper}) do
  local ok, e = pcall(agent.import, text)
  if ok then print("ESCAPED: taken") end
  out[i] = e.code
end
return out
