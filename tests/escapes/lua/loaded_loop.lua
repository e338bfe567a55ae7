-- attack: loops in loaded text, loaded by loaded text
-- expect: limit time
-- limits: time=0.15

pcall(load("pcall(load('while true do end'))"))
print("ESCAPED")
