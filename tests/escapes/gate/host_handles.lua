-- attack: has the host keep agents with instructions of megabytes
-- expect: limit memory | error bad_argument
-- limits: time=10, memory=64MB
-- allow: llm:test/offline

local long = ("x"):rep(2000000)
for i = 1, 60 do agent.create({ model = "test/offline", system = long }) end
print("ESCAPED: the host keeps 120 MB")
