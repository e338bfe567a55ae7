-- attack: reaches other files through SQL: attach, vacuum into, load_extension, pragmas, virtual tables
-- expect: ok "sql sql sql sql sql sql sql false"
-- allow: fs:{root}/**
-- limits: time=20

local codes = {}
sqlite.query("{root}/t.db", "create table t(a)", {}, { write = true })
for _, sql in ipairs({
  "attach '{outside}/x.db' as x", "vacuum into '{root}/copy.db'", "select load_extension('{root}/x.so')", "pragma temp_store_directory = '/'",
  "create virtual table v using fts5(a)", "select writefile('{root}/copy.db', 'ESCAPED')", "select readfile('/etc/passwd')",
}) do
  local ok, e = pcall(sqlite.query, "{root}/t.db", sql, {}, { write = true })
  if ok then print("ESCAPED: " .. sql) end
  codes[#codes + 1] = ok and "done" or e.code
end
codes[#codes + 1] = tostring(fs.exists("{root}/copy.db"))
return table.concat(codes, " ")
