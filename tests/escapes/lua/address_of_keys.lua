-- attack: reads addresses from the messages about keys that cannot cross
-- expect: error runtime : the result mixes list items

for _, key in ipairs({print, {}, coroutine.create(print), setmetatable({}, {__name = "x"})}) do
  for _, t in ipairs({{1, [key] = 2}, {a = 1, [key] = 2}, {[key] = 2}, {1, {2, [key] = 3}}}) do
    local _, fault = pcall(json.encode, t)
    if tostring(fault):find("0x%x%x%x") then print("ESCAPED " .. tostring(fault)) end
  end
end
return {1, [print] = 2}
