-- attack: gives loaded text names that look like files, the program itself, or break the message
-- expect: ok 0

local found = 0
for _, name in ipairs({
  "=", "@", "", "\n", "=\n", "=/etc/passwd", "@/etc/passwd", "=spell", "=[C]", "=prelude", "%s%d", "=\0x",
  "=" .. ("x"):rep(1e6), ("\255"):rep(1000), "=]]", "[string", "=x\tload\t", "=1:2: ",
}) do
  local ok, chunk = pcall(load, "error('own')", name)
  if ok and chunk then
    local _, why = pcall(chunk)
    if type(why) ~= "string" or not why:find("own$") or why:find("python") or why:find("src/") then
      print("ESCAPED " .. tostring(why))
      found = found + 1
    end
  end
end
return found
