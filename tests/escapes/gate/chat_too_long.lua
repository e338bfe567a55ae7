-- attack: says more in a chat than a call may have
-- expect: error bad_argument: larger than 3000000 characters
-- limits: time=20
-- allow: llm

llm.providers.create_mock("m", {("y"):rep(900000)}, {cycle = true})
local chat = llm.chat({model = "mock/m"})
for _ = 1, 20 do chat:send(("x"):rep(900000)) end
print("ESCAPED")
