-- attack: catches the end of the budget of tokens inside of a batch
-- expect: limit budget
-- limits: tokens=200, time=20
-- allow: llm:test/offline

for i = 1, 50 do
  pcall(llm.batch, { ("x"):rep(300), ("x"):rep(300), ("x"):rep(300) }, { model = "test/offline", max_tokens = 100 })
end
print("ESCAPED the budget")
