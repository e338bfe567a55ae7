-- attack: gives back budget with a negative length
-- expect: error bad_argument
-- limits: time=10, memory=64MB, tokens=10
-- allow: llm:test/offline

llm.generate("x", { model = "test/offline", max_tokens = -1000000 })
print("ESCAPED")
