-- attack: registers a schema whose check takes for ever
-- expect: error bad_argument
-- allow: tool

local defs = { a40 = { type = "object" } }
for i = 1, 39 do
  local next_one = { ["$ref"] = "#/$defs/a" .. (i + 1) }
  defs["a" .. i] = { allOf = { next_one, next_one } }
end
tools.register("t", "d", { ["$defs"] = defs, ["$ref"] = "#/$defs/a1" }, function() return 1 end)
tools.execute("t", {})
print("ESCAPED")
