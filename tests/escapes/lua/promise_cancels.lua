-- attack: cancels tasks that are done, that run, that wait for each other, twice, and from themselves
-- expect: ok [false, false]

local p
p = async(function() return pcall(function() p:cancel() end) end)
local own = await(p)
local again = p:cancel()
local a, b
a = async(function() sleep(0.001) b:cancel() a:cancel() end)
b = async(function() sleep(0.001) a:cancel() end)
pcall(await, a)
pcall(await, b)
local c = async(function() sleep(10) print("ESCAPED") end)
c:cancel()
c:cancel()
return {own, again}
