-- attack: has the host write answers that are large, nested and shared, whose parts must be looked at one by one
-- expect: ok "held" | limit time | limit memory
-- limits: time=30, memory=64MB

local shared = "a: &a [" .. ("x,"):rep(2000) .. "x]\n"
local uses = {}
for i = 1, 42 do uses[i] = "k" .. i .. ": *a" end
if #yaml.decode(shared .. table.concat(uses, "\n")).k42 ~= 2001 then print("ESCAPED: it does not work any more") end
for i = 43, 60 do uses[i] = "k" .. i .. ": *a" end
for _, text in ipairs({
  shared .. table.concat(uses, "\n"), ("- "):rep(31) .. "x", "[" .. ("[{}],"):rep(60000) .. "1]", "[" .. ("[9223372036854775808],"):rep(3000) .. "1]",
  "[" .. ("[],"):rep(2000) .. "1e999]", "[" .. ("[],"):rep(2000) .. '{"\\u0000handle": ["agent", 1]}]', "[" .. ("[],"):rep(2000) .. '"\\ud800"]',
}) do
  for _, read in ipairs({ yaml.decode, json.decode }) do
    local ok, told = pcall(read, text)
    if ok and type(told) == "table" then
      local last = told[#told]
      if type(last) == "userdata" or type(last) == "table" and last.kind then print("ESCAPED with a handle") end
    end
  end
end
return "held"
