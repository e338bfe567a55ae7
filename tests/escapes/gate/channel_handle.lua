-- attack: sends a function and a handle to another place, as values and inside values
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"

local c, codes = channel.make(5), {}
for i, value in ipairs({ print, c, { { c } }, { f = print } }) do
  local ok, e = pcall(c.send, c, value)
  if ok then print("ESCAPED") end
  codes[i] = e.code
end
return table.concat(codes, " ")
