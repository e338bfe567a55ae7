-- attack: writes dots and slashes in characters that look like them
-- expect: ok "not_found not_found not_found not_found not_found not_found not_found"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "\u{ff0e}\u{ff0e}/x", "\u{2025}/x", "\u{2024}\u{2024}/x", "..\u{2215}x", "..\u{ff0f}x", "..\u{2044}x", ".\u{200b}./x" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
