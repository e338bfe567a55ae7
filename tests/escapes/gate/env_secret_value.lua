-- attack: reads an address with a password in it, whose name tells nothing
-- expect: ok "held"
-- allow: env

-- The runner plants DATABASE_URL = postgres://user:SECRET-MARKER@host/db.
for _, name in ipairs({ "DATABASE_URL", "REDIS_URL", "BROKER" }) do
  local ok, value = pcall(env.get, name, "")
  if ok and value:find("SECRET%-MARKER") then print("ESCAPED " .. name) end
end
return "held"
