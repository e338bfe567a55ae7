-- attack: asks many questions that never end at once, each in a process of its own
-- expect: limit time
-- limits: time=0.5
-- allow: fs.read:{root}/**, fs.write:{root}/**

local asks = {}
for i = 1, 60 do
  asks[i] = function()
    sqlite.query("a.db", "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
      nil, {write = true})
  end
end
parallel(asks)
print("ESCAPED")
