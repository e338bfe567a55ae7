-- attack: has the error of a cancelled task end the program, with fields taken from the string library
-- expect: error cancelled : the task was cancelled

string.where, string.class, string.called = {}, "InternalError", 5
local p = async(function() sleep(10) end)
p:cancel()
local _, fault = pcall(await, p)
local ok, text = pcall(tostring, fault)
if not ok then print("ESCAPED " .. text) end
await(p)
