-- attack: copies or moves a file from outside to where it may be read
-- expect: ok "denied denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.copy("{outside}/secret.txt", "mine") end,
  function() fs.copy("link", "mine") end,
  function() fs.copy("up/secret.txt", "mine") end,
  function() fs.move("{outside}/secret.txt", "mine") end,
  function() fs.move("up/secret.txt", "mine") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
if fs.exists("mine") then print("ESCAPED", fs.read("mine")) end
return table.concat(codes, " ")
