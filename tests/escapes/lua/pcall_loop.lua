-- attack: catches the limit in an endless loop
-- expect: limit time
-- limits: time=0.15

while true do pcall(function() while true do end end) end
print("ESCAPED")
