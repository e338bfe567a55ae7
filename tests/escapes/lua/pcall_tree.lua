-- attack: calls itself twice under pcall, at every level
-- expect: limit time
-- limits: time=0.15

local function tree(n)
  pcall(tree, n + 1)
  pcall(tree, n + 1)
end
pcall(tree, 1)
print("ESCAPED")
