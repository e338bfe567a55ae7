-- attack: packs and unpacks by formats of hundreds of thousands of parts, again and again
-- expect: limit time | limit memory
-- limits: time=0.5

local many, zeros = ("i16"):rep(2e5), ("z"):rep(1e5)
local nothing = ("\0"):rep(1e5)
while true do
  pcall(string.pack, many) pcall(string.packsize, ("j"):rep(1e6)) pcall(string.unpack, zeros, nothing)
  pcall(string.pack, ("!16 Xi16 "):rep(1e5)) pcall(string.pack, "s" .. ("x"):rep(1e6), ("y"):rep(5e6))
  pcall(string.unpack, "s4", "\255\255\255\127") pcall(string.unpack, "c2147483647", "x")
end
print("ESCAPED")
