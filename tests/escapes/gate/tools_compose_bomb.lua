-- attack: composes tools that call each other ten times each, ten levels deep, and in a circle
-- expect: limit calls | limit time | limit steps | error bad_argument
-- allow: tool
-- limits: time=3, calls=2000

tools.register("t0", "T.", {}, function() return {} end)
for level = 1, 10 do
  local names = {}
  for i = 1, 10 do names[i] = "t" .. (level - 1) end
  tools.compose("t" .. level, names, { mode = level % 2 == 0 and "parallel" or "pipeline" })
end
tools.execute("t10")
print("ESCAPED: ten thousand million calls")
