-- attack: finds files outside of what is granted, through links and names that climb
-- expect: ok "denied denied denied 0"
-- allow: fs.read:{root}/**

local codes = {}
for i, path in ipairs({ "{outside}", "{root}/..", "/etc" }) do
  local ok, e = pcall(fs.search, path, { text = "root" })
  if ok then print("ESCAPED") end
  codes[i] = ok and "done" or e.code
end
local found = 0
for _, item in ipairs(fs.search("{root}", { text = "ESCAPED" })) do print("ESCAPED " .. item.path) found = found + 1 end
return table.concat(codes, " ") .. " " .. found
