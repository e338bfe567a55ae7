-- attack: has a workflow keep more and more on the host
-- expect: ok "held" | limit memory | error too_large | limit time
-- limits: time=10, memory=64MB

local big = ("x"):rep(700000)
for round = 1, 20 do
  pcall(function()
    workflow.create({ over = "{{input}}", map = { id = "m", call = function() return big end } }):run({ input = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30 } })
    print("ESCAPED: 21 MB were kept")
  end)
end
return "held"
