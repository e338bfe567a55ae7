-- attack: returns numbers that JSON cannot hold
-- expect: error runtime : is not a finite number

for _, n in ipairs({0 / 0, -(0 / 0), math.huge, -math.huge}) do
  if pcall(json.encode, n) or pcall(json.encode, {n}) then print("ESCAPED") end
end
return {math.maxinteger, math.mininteger, 5e-324, -0.0, {1e308 * 10}}
