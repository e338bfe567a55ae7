-- attack: leaves places in queues and timers behind by waits with a timeout
-- expect: limit calls
-- limits: calls=1200, time=20

local a, b = channel.make(), channel.make()
while true do
  pcall(a.receive, a, 0)
  channel.select({ a = { receive = a }, b = { send = b, value = 1 } }, { timeout = 0 })
  if a:try_send(1) or b:try_receive().ok then print("ESCAPED") end
end
