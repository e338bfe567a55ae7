-- attack: fills the memory of the host with values that wait in channels
-- expect: ok "channel_limit"
-- limits: time=20

local held, big, code = {}, ("x"):rep(500000)
for i = 1, 100 do
  local c = channel.make(10000)
  held[i] = c
  local ok, e = pcall(c.send, c, big)
  if not ok then code = e.code break end
  if i == 100 then print("ESCAPED with 50 MB") end
end
return code
