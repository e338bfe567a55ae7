-- attack: fills the memory of the host with very many very small values
-- expect: limit calls
-- limits: calls=1200, time=20

local c = channel.make(10000)
for i = 1, 10001 do c:send(i) end
print("ESCAPED")
