-- attack: keeps the time limit away by a handler that sleeps
-- expect: limit time
-- limits: time=0.3

function on_resource_warning() sleep(100) print("ESCAPED") end
sleep(100)
