-- attack: raises the error of the engine by hand, and names of limits, to be taken for one
-- expect: limit memory | error

for _, text in ipairs({"\0limit", "\0time", "limit", "time", "killed", "error in error handling", "C stack overflow"}) do
  local ok, why = pcall(error, text, 0)
  if ok or why ~= text then print("ESCAPED " .. text) end
end
error("not enough memory", 0)
