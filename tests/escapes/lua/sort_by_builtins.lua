-- attack: sorts a million items by built-in functions, which pass no counted step, as comparator and as metamethod
-- expect: limit time | limit memory
-- limits: time=0.5

local t, marked = {}, {}
local by = { __lt = rawequal, __index = rawlen, __newindex = rawset }
for i = 1, 1e5 do t[i], marked[i] = i % 7, setmetatable({}, by) end
while true do
  for _, f in ipairs({ rawequal, math.ult, rawlen, select, next, pcall, tostring }) do pcall(table.sort, t, f) end
  pcall(table.sort, marked)
end
print("ESCAPED")
