-- attack: makes a handle by hand: tables, text, numbers counting up
-- expect: ok "held"
-- limits: time=5, memory=64MB
-- allow: llm:test/offline

local real = agent.create({ model = "test/offline" })
for i = 1, 20 do
  for _, forged in ipairs({ { "agent", i }, { kind = "agent", id = i }, { ["\0handle"] = { "agent", i } }, "agent#" .. i, i,
                            setmetatable({}, { __index = real }), { __handle = i } }) do
    local ok, e = pcall(agent.run, forged, "x")
    if ok then print("ESCAPED with number " .. i) end
    if not ok and e.code ~= "bad_argument" then return e.message end
  end
end
return "held"
