-- attack: reads and writes a database through links that lead out of what is granted
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for _, path in ipairs({ "{root}/link", "{root}/up/x.db" }) do
  for _, write in ipairs({ false, true }) do
    local ok, e = pcall(sqlite.query, path, "create table if not exists t(a)", {}, { write = write })
    if ok then print("ESCAPED") end
    codes[#codes + 1] = ok and "done" or e.code
  end
end
return table.concat(codes, " ")
