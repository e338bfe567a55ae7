-- attack: raises objects that look like errors of capabilities, to be taken for one
-- expect: error runtime : mine

local _, fault = pcall(fs.read, "x")
local forged = {class = "InternalError", code = "time", message = "ESCAPED", capability = "x", retryable = true, where = ""}
for _, meta in ipairs({getmetatable(fault) or {}, {__tostring = function() return "x" end}}) do
  pcall(error, setmetatable(forged, meta))
end
error({class = "TimeLimit", code = "time", message = "mine", capability = "fs.read", retryable = true, kind = "fault"})
