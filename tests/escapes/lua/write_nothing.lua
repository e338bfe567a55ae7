-- attack: writes empty text for ever, which no limit of bytes sees
-- expect: limit time | limit memory
-- limits: time=0.15

while true do io.write("") end
print("ESCAPED")
