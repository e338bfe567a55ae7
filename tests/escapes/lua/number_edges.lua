-- attack: overflows integers in conversions, shifts, loops, ranges and positions
-- expect: ok "done"

local big, small = math.maxinteger, math.mininteger
for _, f in ipairs({
  function() return big + 1 == small and small // -1 == small and small % -1 == 0 end,
  function() return 1 // 0 end, function() return 1 % 0 end, function() return 1 << big, 1 >> small, big << 64 end,
  function() return ("x"):sub(small, big), ("x"):byte(small, big), ("x"):rep(small) end,
  function() return string.unpack("<I8", "12345678", small) end, function() return string.unpack("s8", ("\255"):rep(16)) end,
  function() return string.unpack("z", "no end") end, function() return string.unpack("!17i", "x") end,
  function() return string.packsize("c2147483647c2147483647") end, function() return string.packsize(("i16"):rep(1e5)) end,
  function() return string.pack("i17", 1) end, function() return string.pack(">I3", -1) end,
  function() return string.format("%d", 2 ^ 63) end, function() return string.format("%99999d", 1) end,
  function() return string.format("%.999f", 1e308) end, function() return string.format("%99.99f", -1e308) end,
  function() return string.format(("%99d"):rep(1000), table.unpack({}, 1, 1000)) end,
  function() return string.format("%") end, function() return string.format("%#-+ 0000000d", 1) end,
  function() return tonumber(("9"):rep(1e6)), tonumber("0x" .. ("f"):rep(1e6)), tonumber(("1"):rep(1e6), 36) end,
  function() return tonumber("1e" .. ("9"):rep(1e6)), math.tointeger("8"), math.tointeger(2 ^ 63) end,
  function() return utf8.char(0x7fffffff, -1) end, function() return utf8.char(table.unpack({}, 1, 200)) end,
  function() return utf8.codepoint("\xf4\x90\x80\x80") end, function() return utf8.offset("x", small, big) end,
  function() return utf8.len("x", small, big) end, function() for _ in utf8.codes("\255") do end end,
  function() return select(small, 1), select(big, 1), select("-1", 1, 2) end,
  function() return os.date("*t", big), os.time({year = big, month = big, day = big}) end,
  function() return os.date("%Ez", small), os.date("%", 0) end, function() return os.date("!%c", 1e300) end,
  function() return math.fmod(small, -1), math.ult(-1, 1), math.floor(1e300), math.abs(small) end,
  function() return table.unpack({}, big - 1, big), table.concat({}, "", big, small) end,
  function() for i = big - 1, big do end for i = small, small + 1 do end for i = big, small, small do end end,
  function() return #utf8.char(table.unpack(table.move({65}, 1, 1, 1, {}), 1, 1)) end,
}) do
  local ok, why = pcall(f)
  if not ok and type(why) ~= "string" then print("ESCAPED " .. type(why)) end
  if not ok and why:find("0x%x%x%x%x%x%x") then print("ESCAPED " .. why) end
end
return "done"
