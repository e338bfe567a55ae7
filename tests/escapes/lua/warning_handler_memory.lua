-- attack: takes the rest of the memory in the handler, and catches that
-- expect: limit memory
-- limits: memory=8MB, time=5

function on_resource_warning()
  local t = {}
  while pcall(function() t[#t + 1] = ("x"):rep(100000) .. #t end) do end
  print("ESCAPED")
end
local t = {}
while true do t[#t + 1] = ("x"):rep(1000) .. #t end
