-- attack: has SQL take all memory and all time
-- expect: ok "3 of 3 refused"
-- allow: fs:{root}/**
-- limits: time=25

sqlite.query("{root}/t.db", "create table t(a)", {}, { write = true })
local refused, grow = 0, "with recursive c(x, y) as (select 1, zeroblob(4000000) union all select x + 1, y from c) "
for _, sql in ipairs({
  grow .. "select count(*) from (select y from c order by y)", "select zeroblob(2000000000)",
  "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
}) do
  if pcall(sqlite.query, "{root}/t.db", sql, {}, { timeout = 1 }) then print("ESCAPED: " .. sql) else refused = refused + 1 end
end
return refused .. " of 3 refused"
