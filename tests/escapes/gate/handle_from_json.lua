-- attack: reads a handle, bytes or a function out of JSON text
-- expect: ok "value value value value"

local codes = {}
for i, text in ipairs({ '{"\\u0000handle":["agent",1]}', '{"\\u0000bytes":"41"}', '{"\\u0000function":1}', '[{"\\u0000handle":["stream",1]}]' }) do
  local ok, e = pcall(json.decode, text)
  if ok then print("ESCAPED " .. i, type(e)) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
