-- attack: starts tasks that end at once, for ever
-- expect: limit time
-- limits: time=0.15

while true do await(async(function() end)) end
print("ESCAPED")
