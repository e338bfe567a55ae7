-- attack: has the calculator read parentheses and signs nested without end
-- expect: ok "bad_argument bad_argument bad_argument"

local codes = {}
for i, text in ipairs({ ("("):rep(900) .. "1" .. (")"):rep(900), ("-"):rep(900) .. "1", ("2**"):rep(300) .. "2" }) do
  local ok, e = pcall(tools.calculate, text)
  if ok then print("ESCAPED by text " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
