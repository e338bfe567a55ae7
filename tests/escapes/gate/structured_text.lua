-- attack: has the host look for JSON in texts that are made to take long
-- expect: ok "held"
-- limits: time=60, memory=64MB

local n = 250000
for i, text in ipairs({ ("{"):rep(n), ("["):rep(n), ('"'):rep(n), ('{"a":'):rep(n // 5), ("```json\n{"):rep(n // 9), ("['a' "):rep(n // 5), ('{"a":"' .. ('",'):rep(n // 2)),
  "{" .. ("a "):rep(n // 2), '{"' .. ('\\"'):rep(n // 2), "[" .. ("1"):rep(n), '{"a":"' .. ('"  x'):rep(n // 4), ("{#"):rep(n // 2), ("/*"):rep(n // 2), ("x"):rep(20 * n) }) do
  local began = time.now()
  pcall(structured.parse, text)
  if time.now() - began > 10 then print("ESCAPED: text " .. i .. " held up the host") end
end
return "held"
