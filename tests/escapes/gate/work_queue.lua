-- attack: has very many calls wait for the thread that does long work, each with a large value
-- expect: limit time
-- limits: time=3

local rows = {}
for i = 1, 45000 do rows[i] = { i } end
for _ = 1, 90 do async(function() pcall(yaml.encode, rows) end) end
time.sleep(60)
print("ESCAPED")
