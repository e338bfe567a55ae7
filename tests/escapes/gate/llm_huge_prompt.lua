-- attack: sends a prompt of 10 MB
-- expect: ok "held" | limit time | limit memory | error bad_argument
-- limits: time=5, memory=64MB
-- allow: llm:test/offline

local answer = llm.generate(("x "):rep(5000000), { model = "test/offline" })
if #answer > 1000000 then print("ESCAPED with an answer of " .. #answer) end
return "held"
