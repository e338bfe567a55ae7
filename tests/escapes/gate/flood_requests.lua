-- attack: opens more connections at once than it may have tasks
-- expect: limit tasks | limit calls
-- limits: tasks=50, time=5, memory=64MB
-- allow: net:{server}

local tasks = {}
for i = 1, 500 do tasks[i] = function() pcall(http.get, "http://{server}/slow") end end
parallel(tasks)
print("ESCAPED: 500 requests")
