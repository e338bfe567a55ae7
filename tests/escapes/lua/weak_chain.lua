-- attack: has the collector follow a chain through 30000 weak tables, in an order that takes quadratic time
-- expect: limit time
-- limits: time=0.15
-- only: isolated, because one step of the collector takes 6 s

local n, order, keys, tables = 30000, {}, {}, {}
for i = 1, n do order[i] = i end
for i = n, 2, -1 do
  local j = math.random(i)
  order[i], order[j] = order[j], order[i]
end
for i = 1, n + 1 do keys[i] = {} end
for i = 1, n do tables[i] = setmetatable({}, {__mode = "k"}) end
for i = 1, n do tables[order[i]][keys[i]] = keys[i + 1] end
local first = keys[1]
keys = nil
collectgarbage()
collectgarbage()
print("ESCAPED")
