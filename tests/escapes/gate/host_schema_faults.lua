-- attack: has every fault of an argument told, each with the argument
-- expect: error bad_argument
-- allow: tool

local all = {}
for i = 1, 2000 do all[i] = { type = "integer" } end
tools.register("t", "d", { properties = { a = { allOf = all } } }, function() return 1 end)
tools.execute("t", { a = ("a"):rep(300000) })
print("ESCAPED")
