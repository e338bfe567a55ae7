-- attack: has the host keep schemas without end
-- expect: ok "held" | limit time
-- limits: time=20, memory=64MB, calls=100000

local kept, refused = 0, 0
for i = 1, 1500 do
  local ok = pcall(schema.save, "name" .. i % 300, { type = "object", title = ("x"):rep(30000) .. i })
  if ok then kept = kept + 1 else refused = refused + 1 end
end
if kept * 30000 > 5000000 then print("ESCAPED: kept " .. kept) end
local data = {}
for i = 1, 200 do data["n" .. i] = { versions = { ["1"] = { title = ("y"):rep(30000) } } } end
if pcall(schema.import, data) then print("ESCAPED: imported all") end
return "held"
