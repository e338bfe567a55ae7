-- attack: keeps the host at the work of one call, so that neither other spells nor other tasks have a turn
-- expect: ok "held" | limit time
-- limits: time=60

local a, b = {}, {}
for i = 1, 19000 do a[i], b[i] = i, i * 3 end
local old, new = table.concat(a, "\n"), table.concat(b, "\n")
local long = "[" .. ("1,"):rep(80000) .. "1]"
local rows = {}
for i = 1, 40000 do rows[i] = { i / 3 } end
local works = {
  diff = function() text.diff(old, new) end,
  yaml = function() yaml.decode(long) end,
  workflow = function() workflow.import(long) end,
  yaml_text = function() yaml.encode(rows) end,
}
for name, work in pairs(works) do
  local over, turns = false, 0
  local task = async(function() pcall(work) over = true end)
  local began = time.now()
  while not over do time.sleep(0.002) turns = turns + 1 end
  await(task)
  -- What takes long on the host leaves room for many turns; a machine that is quick needs none.
  if time.now() - began > 0.25 and turns < 4 then print("ESCAPED: " .. name .. " left " .. turns .. " turns") end
end
return "held"
