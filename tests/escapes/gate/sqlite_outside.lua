-- attack: asks databases outside of what is granted, or writes one that may only be read
-- expect: ok "denied denied denied denied"
-- allow: fs.read:{root}/**

local codes = {}
for _, path in ipairs({ "{outside}/x.db", "{root}/../x.db", "/etc/passwd" }) do
  local ok, e = pcall(sqlite.query, path, "select 1")
  if ok then print("ESCAPED") end
  codes[#codes + 1] = ok and "done" or e.code
end
local ok, e = pcall(sqlite.query, "{root}/new.db", "create table t(a)", {}, { write = true })
codes[#codes + 1] = ok and "done" or e.code
if ok then print("ESCAPED: wrote") end
return table.concat(codes, " ")
