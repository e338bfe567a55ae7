-- attack: never comes back from the handler of a warning, so that the limit is not reached
-- expect: limit steps
-- limits: steps=100000, time=5

function on_resource_warning() while true do pcall(function() while true do end end) end end
while true do end
print("ESCAPED")
