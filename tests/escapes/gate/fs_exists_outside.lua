-- attack: tells what exists outside by how it is refused
-- expect: ok "same"
-- allow: fs:{root}/**

local function said(call, path)
  local ok, e = pcall(call, path)
  if ok then print("ESCAPED " .. path) end
  return e.code .. ": " .. e.message:gsub("secret%.txt", "X"):gsub("missing%.txt", "X")
end
for _, call in ipairs({ fs.exists, fs.info, fs.read, fs.list, fs.remove }) do
  for _, folder in ipairs({ "{outside}/", "up/" }) do
    if said(call, folder .. "secret.txt") ~= said(call, folder .. "missing.txt") then return folder end
  end
end
return "same"
