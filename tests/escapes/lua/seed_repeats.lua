-- attack: seeds the random numbers with odd values, and draws from odd ranges
-- expect: ok true

for _, seed in ipairs({0, -1, math.maxinteger, 0.5, -0.0, 2 ^ 53}) do pcall(math.randomseed, seed, seed) end
for _, range in ipairs({{math.mininteger, math.maxinteger}, {0}, {5, 5}, {math.maxinteger}, {-3, -1}}) do
  local ok, n = pcall(math.random, table.unpack(range))
  if ok and math.type(n) ~= "integer" then print("ESCAPED") end
end
for _, range in ipairs({{2, 1}, {0 / 0}, {1, math.huge}, {1, 2, 3}, {"x"}}) do
  if pcall(math.random, table.unpack(range)) then print("ESCAPED") end
end
return math.random() < 1
