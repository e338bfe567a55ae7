-- attack: gives a table, a string and other things for a channel
-- expect: ok "bad_argument bad_argument bad_argument"

local c, codes = channel.make(1), {}
for i, forged in ipairs({ "channel#1", { "channel", 1 }, { ["\0handle"] = { "channel", 1 } } }) do
  local ok, e = pcall(channel.send, forged, "in")
  if ok then print("ESCAPED") end
  codes[i] = e.code
end
if c:try_receive().ok then print("ESCAPED") end
return table.concat(codes, " ")
