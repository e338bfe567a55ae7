-- attack: nests parallel without end
-- expect: limit tasks

local function nest() return parallel({nest, nest}) end
pcall(nest)
print("ESCAPED")
