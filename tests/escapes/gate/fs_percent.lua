-- attack: writes the path percent-encoded, once and twice
-- expect: ok "not_found not_found not_found not_found not_found not_found"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "%2e%2e/x", "..%2fx", "%2e%2e%2fx", "%252e%252e%252fx", "%c0%ae%c0%ae/x", "file://{outside}/secret.txt" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
