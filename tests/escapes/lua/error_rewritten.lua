-- attack: changes the error of a capability before it raises it again
-- expect: error : mine

local _, fault = pcall(fs.read, "x")
if getmetatable(fault) or pcall(setmetatable, fault, {}) then print("ESCAPED the metatable of an error") end
fault.class, fault.called, fault.where, fault.kind = "InternalError", {}, {}, "value"
fault.capability, fault.retryable, fault.frames, fault.value = setmetatable({}, {__index = error}), 1, 5, print
fault.message = "mine"
error(fault)
