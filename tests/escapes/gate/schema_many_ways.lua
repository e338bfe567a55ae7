-- attack: gives checks of schemas work that doubles at each level, patterns that explode, and far references
-- expect: ok 5
-- limits: time=2

local twice, refused = {type = "string"}, 0
for _ = 1, 28 do twice = {anyOf = {twice, twice}} end
for _, schema in ipairs({
  twice, {["$ref"] = "http://127.0.0.1/x"}, {["$id"] = "file:///etc/passwd", ["$dynamicRef"] = "#"},
  {multipleOf = 0}, {type = "string", pattern = "(?=x)["},
}) do
  local ok = pcall(_G.schema.validate, 5, schema)
  if ok then print("ESCAPED") else refused = refused + 1 end
end
return refused
