-- attack: keeps the host busy with texts whose difference takes the cube of their length
-- expect: limit time | ok "held"
-- limits: time=4

local function lines(n, of) local t = {} for i = 1, n do t[i] = of(i) end return table.concat(t, "\n") end
for _, n in ipairs({ 199, 2000, 19000 }) do
  pcall(text.diff, lines(n, function(i) return i * 7 % 3 end), lines(n, function(i) return i * i % 3 end))
  pcall(text.diff, lines(n, function(i) return i % 101 end), lines(n, function(i) return i * 7 % 101 end))
end
if text.diff("a", "a") ~= "" then print("ESCAPED: it does not work any more") end
return "held"
