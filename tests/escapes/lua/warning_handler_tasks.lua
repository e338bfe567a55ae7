-- attack: starts tasks without end from the handler, which has room of its own
-- expect: limit tasks
-- limits: tasks=10, calls=100, time=5

function on_resource_warning()
  for i = 1, 20 do spawn(function() sleep(10) end) end
  print("ESCAPED")
end
for i = 1, 9 do spawn(function() sleep(10) end) end
for i = 1, 100 do time.now() end
