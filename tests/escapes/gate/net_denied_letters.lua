-- attack: reaches hosts that are taken away again, which the user wrote in letters of their language or with a dot at the end
-- expect: ok "held"
-- limits: time=20
-- allow: net:*, !net:bücher.example, !net:*.bücher.example, !net:evil.example.

for _, host in ipairs({
  "bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example.", "a.bücher.example",
  "bücher。example", "evil.example", "evil.example.", "EVIL.example", "evil。example",
}) do
  local ok, why = pcall(http.get, "http://" .. host .. "/")
  if ok or why.code ~= "denied" then print("ESCAPED to " .. host .. ": " .. tostring(why)) end
end
return "held"
