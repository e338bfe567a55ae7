-- attack: starts more tasks at once than it may
-- expect: limit tasks
-- limits: tasks=50, time=5, memory=64MB

local tasks = {}
for i = 1, 1000 do tasks[i] = function() sleep(10) end end
pcall(parallel, tasks)
print("ESCAPED: 1000 tasks")
