-- attack: a model of the script that asks itself, without end
-- expect: limit calls | limit tasks | limit memory | limit time
-- limits: time=20, calls=2000
-- allow: llm:*

llm.providers.create_mock("me", function(question)
  return llm.generate(question.prompt .. "!", { model = "me" })
end)
print("ESCAPED " .. llm.generate("x", { model = "me" }))
