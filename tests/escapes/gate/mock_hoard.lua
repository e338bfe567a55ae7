-- attack: fills the memory of the host with answers of models that are never asked
-- expect: limit memory
-- limits: time=20, memory=16MB
-- allow: llm:*

local big = ("x"):rep(500000)
for i = 1, 60 do
  llm.providers.create_mock("m" .. i, { big .. i })
end
print("ESCAPED with 30 MB")
