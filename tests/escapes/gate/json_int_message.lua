-- attack: sees the inside of the host in an error about a number
-- expect: ok "held"

local ok, e = pcall(json.decode, ("9"):rep(5000))
for _, word in ipairs({ "ValueError", "sys%.", "Traceback", "int_max_str", "%.py" }) do
  if e.message:find(word) then print("ESCAPED: " .. e.message) end
end
return "held"
