-- attack: asks for more tokens than its budget, in many tasks at once
-- expect: limit budget
-- limits: time=5, memory=64MB, tokens=200
-- allow: llm:test/offline

local asks = {}
for i = 1, 50 do asks[i] = function() return llm.generate("x", { model = "test/offline" }) end end
parallel(asks)
print("ESCAPED: 50 answers")
