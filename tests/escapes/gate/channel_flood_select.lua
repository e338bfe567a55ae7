-- attack: selects with a hundred large values to send, in many tasks
-- expect: error channel_limit
-- limits: time=20

local part = ("x"):rep(9000)
for i = 1, 90 do
  async(function()
    local cases = {}
    for k = 1, 100 do cases["c" .. k] = { send = channel.make(), value = part } end
    channel.select(cases)
    print("ESCAPED")
  end)
end
