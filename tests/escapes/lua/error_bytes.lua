-- attack: raises text that is no UTF-8, NUL bytes, and control characters
-- expect: error runtime

for _, text in ipairs({"\255\254", "\0\0", "\27[2J", "\237\160\128", "\xf4\x90\x80\x80"}) do
  local ok, why = pcall(error, text, 0)
  if why ~= text then print("ESCAPED") end
end
error("\255\0\27[31m\237\160\128", 0)
