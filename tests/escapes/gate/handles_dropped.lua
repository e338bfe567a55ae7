-- attack: makes handles for ever and lets go of them, so that the host keeps what nobody holds
-- expect: limit calls | limit memory
-- limits: calls=3000, time=30, memory=64MB
-- allow: llm:test/offline

local big = ("x"):rep(30000)
while true do agent.create({ model = "test/offline", system = big }) end
print("ESCAPED")
