-- attack: has the host compile patterns that come to gigabytes when they are written out
-- expect: ok "held"
-- limits: time=30, memory=64MB

local many, named = {}, {}
for i = 1, 150 do many[i] = { pattern = "[\\w\\W]{300}" .. i } end
for i = 1, 3000 do named["x" .. i .. "\\w{50}"] = {} end
for i, odd in ipairs({ { allOf = many }, { patternProperties = named }, { pattern = "((((a{100}){100}){100}){100}){100}" },
  { pattern = ("["):rep(60000) }, { pattern = ("("):rep(60000) }, { pattern = ("a{9}"):rep(15000) } }) do
  local began = time.now()
  for _, use in ipairs({ schema.parse, function(s) schema.save("s", s) end,
    function(s) tools.register("t" .. i, "T.", { type = "object", properties = { x = s } }, print) end }) do
    if pcall(use, odd) then print("ESCAPED: took number " .. i) end
  end
  if time.now() - began > 5 then print("ESCAPED: number " .. i .. " held up the host") end
end
return "held"
