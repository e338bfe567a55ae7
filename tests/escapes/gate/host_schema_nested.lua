-- attack: registers a schema whose check takes twice as long with each level, without a reference
-- expect: error bad_argument
-- allow: tool

local nested = { type = "object" }
for i = 1, 28 do nested = { unevaluatedProperties = false, ["if"] = nested, ["then"] = {}, ["else"] = {} } end
tools.register("t", "d", nested, function() return 1 end)
tools.execute("t", { a = 1, b = 2 })
print("ESCAPED")
