-- attack: declares very many tags in YAML, which its parser compares each with all before, in one step
-- expect: ok "held" | limit time
-- limits: time=20

local tags = {}
for i = 1, 20000 do tags[i] = "%TAG !a" .. i .. "! tag:x\n" end
for _, text in ipairs({ table.concat(tags) .. "---\na: 1\n", "a: 1\n...\n" .. table.concat(tags) .. "---\na: 1\n" }) do
  for _, read in ipairs({ yaml.decode, workflow.import }) do
    local ok, why = pcall(read, text)
    if ok or not tostring(why):find("more than 100 tags", 1, true) then print("ESCAPED: " .. tostring(why)) end
  end
end
if yaml.decode("%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 1\n").a ~= "1" then print("ESCAPED: it does not work any more") end
return "held"
