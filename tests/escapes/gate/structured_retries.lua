-- attack: has a model be asked again and again beyond its budget
-- expect: limit budget | error bad_argument
-- limits: tokens=300, time=30
-- allow: llm

for i = 1, 1000 do
  pcall(structured.generate, ("x "):rep(100), "a int, b int 5..5", { retries = 10, mode = "prompted", max_tokens = 20, model = "test" })
end
print("ESCAPED")
