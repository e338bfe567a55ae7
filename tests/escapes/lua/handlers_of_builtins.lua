-- attack: has built-in functions catch and raise each other's errors, with nothing of its own between them
-- expect: limit time | limit steps | limit memory
-- limits: time=0.3

local raised = setmetatable({}, { __tostring = error, __call = pcall, __index = xpcall, __close = error })
while true do
  xpcall(error, xpcall, error, error)
  pcall(pcall, pcall, xpcall, error, pcall, error)
  xpcall(error, coroutine.wrap(error), raised)
  pcall(coroutine.wrap(pcall), error, raised)
  pcall(tostring, raised) pcall(raised, raised, raised) pcall(string.gsub, "aaa", "a", raised)
  pcall(function() local c <close> = raised error(raised) end)
  pcall(function() return raised.x end)
end
print("ESCAPED")
