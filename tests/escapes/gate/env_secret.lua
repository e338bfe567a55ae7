-- attack: reads keys with a grant for every variable, in every spelling
-- expect: ok "denied denied denied denied denied denied denied denied denied"
-- allow: env

local codes = {}
for i, f in ipairs({
  function() env.get("OPENAI_API_KEY") end,
  function() env.get("openai_api_key") end,
  function() env.get("PLANTED_API_KEY") end,
  function() env.get("GITHUB_TOKEN") end,
  function() env.get("DB_PASSWORD") end,
  function() env.get("AWS_SECRET_ACCESS_KEY") end,
  function() env.get("GOOGLE_APPLICATION_CREDENTIALS") end,
  function() env.get("AUTHORIZATION") end,
  function() env.get("OPENAI_API_KEY ") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
