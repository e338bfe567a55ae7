-- attack: has the host write millions of cells that are empty, of few rows and few columns
-- expect: ok "held" | limit time
-- limits: time=20

local rows, names = {}, {}
for i = 1, 2000 do rows[i] = { a = 1 } end
for i = 1, 1000 do names[i] = "c" .. i end
names[1001] = "a"
local ok, why = pcall(csv.encode, rows, { columns = names })
if ok or not tostring(why):find("cells", 1, true) then print("ESCAPED by columns: " .. tostring(why)) end
for i = 1, 2000 do rows[i] = { ["k" .. i] = 1 } end
ok, why = pcall(csv.encode, rows)
if ok or not tostring(why):find("cells", 1, true) then print("ESCAPED by rows: " .. tostring(why)) end
if csv.encode({ { a = 1 } }) ~= "a\n1\n" then print("ESCAPED: it does not work any more") end
return "held"
