-- attack: loads text for ever, so that the host compiles instead of counting
-- expect: limit time
-- limits: time=0.15

while true do load("return 1") end
print("ESCAPED")
