-- attack: one handler after the other for ever, to keep every other task and the clock from their turn
-- expect: limit time
-- limits: time=0.3

local function again() return promise.resolve():next(again) end
pcall(again)
promise.new(function() end):await()
print("ESCAPED")
