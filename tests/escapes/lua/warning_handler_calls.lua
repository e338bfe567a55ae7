-- attack: makes calls from the handler, which would warn again
-- expect: limit calls
-- limits: calls=50

function on_resource_warning() for i = 1, 100 do time.now() end print("ESCAPED") end
for i = 1, 100 do time.now() end
print("ESCAPED")
