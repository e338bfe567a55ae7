-- attack: has the host read schemas as text that are long, deep or odd
-- expect: ok "held"
-- limits: time=10, memory=64MB

for _, text in ipairs({ ("a"):rep(1000000), ("{a"):rep(5000), ("list of "):rep(1900), "a int " .. ("9"):rep(10000) .. "..1", ("a,"):rep(8000),
  ("("):rep(16000), ("a|"):rep(8000), '"' .. ("\\"):rep(16000), ("a "):rep(8000), ("\n"):rep(16000), ("-"):rep(16000), "a\0b", "a int 1..1e999" }) do
  local ok, e = pcall(schema.parse, text)
  if ok then print("ESCAPED by " .. text:sub(1, 20)) end
end
return "held"
