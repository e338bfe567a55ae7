-- attack: makes so many large calls at once that the worker has no room to tell the host of them
-- expect: limit memory
-- limits: time=20, memory=250MB, tasks=1000
-- only: isolated, because the state holds nearly all of its memory

local text, works = ("ab cd "):rep(150000), {}
for i = 1, 200 do works[i] = function() return llm.count_tokens(text) end end
parallel(works)
print("ESCAPED: it had room for twice as much")
