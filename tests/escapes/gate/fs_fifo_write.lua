-- attack: waits for ever on a FIFO that nobody reads, or writes into it
-- expect: ok "io io io io"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.write("pipe", "x") end,
  function() fs.append("pipe", "x") end,
  function() fs.copy("inside.txt", "pipe") end,
  function() fs.copy("pipe", "copy") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
