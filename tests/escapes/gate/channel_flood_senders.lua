-- attack: has many tasks wait to send large values that nobody takes
-- expect: error channel_limit
-- limits: time=20

local c, big = channel.make(), ("x"):rep(500000)
for i = 1, 90 do
  async(function()
    c:send(big)
    print("ESCAPED")
  end)
end
