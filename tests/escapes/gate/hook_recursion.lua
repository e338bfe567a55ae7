-- attack: a hook that makes the request it looks at, for ever
-- expect: limit calls | limit tasks | limit memory | limit time | error
-- limits: time=20, calls=2000
-- allow: llm:**

hooks.register("h", {before_generate = function() return llm.generate("again", {model = "test/offline"}) end})
llm.generate("x", {model = "test/offline"})
print("ESCAPED: the hook has an end")
