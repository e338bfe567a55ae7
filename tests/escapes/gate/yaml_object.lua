-- attack: has YAML make Python objects and call functions
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"

local codes = {}
for i, text in ipairs({
  "!!python/object/apply:os.system ['echo ESCAPED']", "!!python/name:os.system", "!!python/module:os", "a: !<tag:yaml.org,2002:python/object/new:subprocess.Popen> [[id]]",
}) do
  local ok, e = pcall(yaml.decode, text)
  if ok then print("ESCAPED") end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
