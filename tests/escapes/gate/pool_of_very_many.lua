-- attack: makes a pool of thousands of models, each of which the host looks up before it counts them
-- expect: error bad_argument: a pool has 1 to 16 models
-- allow: llm:test/offline

local members = {}
for i = 1, 9999 do members[i] = {model = "nobody" .. i .. "/x", tokens_per_minute = 100} end
llm.pool.create("crowd", members)
print("ESCAPED: it was made")
