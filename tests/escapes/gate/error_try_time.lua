-- attack: has its cleanup wait for ever when its time is up
-- expect: limit time
-- limits: time=0.5

errors.try(function() sleep(60) end, nil, function() sleep(60) print("ESCAPED") end)
