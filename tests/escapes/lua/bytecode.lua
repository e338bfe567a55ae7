-- attack: loads a binary chunk in every mode and by every function that loads
-- expect: ok 0

local found = 0
local head = "\27Lua"
for _, text in ipairs({head, head .. "\84\0\25\147\r\n\26\n\4\8\8", "\27LJ\2", " " .. head, "return 1" .. head, "#\n" .. head}) do
  for _, mode in ipairs({"b", "bt", "t", "tb", "B", ""}) do
    for _, f in ipairs({load, loadstring}) do
      local ok, chunk = pcall(f, text, "=x", mode)
      if ok and chunk then
        print("ESCAPED a binary chunk in mode " .. mode)
        found = found + 1
      end
    end
  end
end
return found
