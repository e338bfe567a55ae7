-- attack: sees the inside of the host in an error about a pattern
-- expect: ok "held"

for _, case in ipairs({ { "1 1", "%d %d" }, { "x", "%" }, { "x", "(?P<d>" }, { "x", "%Q" }, { "0001-01-01", "%Y-%m-%d" }, { "x", "[" } }) do
  local ok, e = pcall(time.parse, case[1], case[2], "Asia/Tokyo")
  if not ok and (e.code ~= "bad_argument" or e.message:find("group name")) then print("ESCAPED: " .. e.message) end
end
return "held"
