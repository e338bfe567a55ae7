-- attack: deletes outside, through links and by going up
-- expect: ok "denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.remove("{outside}/secret.txt") end,
  function() fs.remove("up/secret.txt") end,
  function() fs.remove("../x") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
