-- attack: starts background tasks without end
-- expect: limit tasks
-- limits: time=20

while true do spawn(sleep, 10) end
print("ESCAPED")
