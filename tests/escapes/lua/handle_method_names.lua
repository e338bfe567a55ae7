-- attack: asks a handle for methods of ever new and ever longer names, for ever
-- expect: limit time
-- limits: time=0.3, memory=8MB

local handle, n, long = channel.make(), 0, "r"
while true do
  n = n + 1
  if #long < 500000 then long = long .. long end
  if handle["receive" .. n] or handle[n] or handle[long] or handle[long .. "%"] then print("ESCAPED") end
end
