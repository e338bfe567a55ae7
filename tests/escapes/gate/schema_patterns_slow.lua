-- attack: has the host hold long texts against patterns that take the product of both
-- expect: ok "held" | limit time
-- limits: time=30, memory=64MB

local text = ("ab"):rep(100000)
local list = {}
for i = 1, 5000 do list[i] = ("ab"):rep(45) .. "!" end
for _, pattern in ipairs({ "(\\w{0,300}a){3}c", "[ab]{0,500}a[ab]{300}c", "^(?:(?![ab]*a[ab]{50}c)[ab])+$",
  "(?=a)([ab]+)+$", "^([ab]|[ab]b)*\\1$" }) do
  for _, value in ipairs({ text, list }) do
    local began = time.now()
    schema.validate(value, type(value) == "table" and { items = { pattern = pattern } } or { pattern = pattern })
    if time.now() - began > 10 then print("ESCAPED: " .. pattern .. " held up the host") end
  end
end
return "held"
