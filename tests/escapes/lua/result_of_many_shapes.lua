-- attack: returns maps of ever other keys: what is kept of keys must not grow
-- expect: limit memory | error | ok 1
-- limits: memory=24MB, time=20

for i = 1, 300 do
  local t = {}
  for k = 1, 300 do t["key " .. i .. " " .. k] = true end
  json.encode(t)
end
collectgarbage()
if collectgarbage("count") > 4096 then print("ESCAPED") end
return 1
