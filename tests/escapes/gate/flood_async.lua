-- attack: starts tasks that nobody waits for, each starting more
-- expect: limit tasks | limit memory | limit time | limit calls
-- limits: tasks=100, time=3, memory=64MB

local function grow() async(grow) async(grow) sleep(0.001) end
grow()
sleep(100)
print("ESCAPED")
