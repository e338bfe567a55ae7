-- attack: fills the memory of the host with conversations
-- expect: limit memory
-- limits: memory=32MB, time=30, calls=100000
-- allow: llm:test/offline

local kept, text = {}, ("x"):rep(50000)
for i = 1, 5000 do
  kept[i] = llm.chat({ messages = { { role = "user", content = text }, { role = "assistant", content = "y" } } })
end
print("ESCAPED with 250 MB of conversations")
