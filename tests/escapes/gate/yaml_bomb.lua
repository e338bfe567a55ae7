-- attack: a YAML document of aliases that stand for a thousand million values, and merges that double
-- expect: ok "bad_argument bad_argument"

local laughs, merges = "a: &a [x,x,x,x,x,x,x,x,x,x]\n", "a0: &a0 {x: 1}\n"
for i, l in ipairs({ "b", "c", "d", "e", "f", "g", "h", "i" }) do
  local before = string.char(96 + i)
  laughs = laughs .. l .. ": &" .. l .. " [" .. ("*" .. before .. ","):rep(10) .. "]\n"
end
for i = 1, 30 do merges = merges .. ("a%d: &a%d {<<: [*a%d, *a%d], k%d: [*a%d, *a%d]}\n"):format(i, i, i - 1, i - 1, i, i - 1, i - 1) end
local codes = {}
for i, text in ipairs({ laughs, merges }) do
  local ok, e = pcall(yaml.decode, text)
  if ok then print("ESCAPED") end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
