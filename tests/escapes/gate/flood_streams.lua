-- attack: opens streams and lets go of them
-- expect: limit calls | limit memory
-- limits: calls=100, time=10, memory=64MB
-- allow: llm:test/offline

for i = 1, 200 do llm.stream("x", { model = "test/offline" }):next() end
print("ESCAPED: opened 200 streams with 100 calls")
