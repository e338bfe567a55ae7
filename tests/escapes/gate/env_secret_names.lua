-- attack: reads secrets whose names say so in other words
-- expect: ok "denied denied denied denied denied denied denied denied"
-- allow: env

local codes = {}
for i, f in ipairs({
  function() env.get("DB_PASS") end,
  function() env.get("MYSQL_PWD") end,
  function() env.get("SENTRY_DSN") end,
  function() env.get("GH_PAT") end,
  function() env.get("SSH_PASSPHRASE") end,
  function() env.get("SESSION_COOKIE") end,
  function() env.get("SLACK_WEBHOOK_URL") end,
  function() env.get("PGPASS") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
