-- attack: changes the usage it is given, to move the limits
-- expect: limit calls
-- limits: calls=100

function on_resource_warning(u)
  u.limits.calls = 10 ^ 9
  u.calls = 0
  u.memory.limit = nil
end
for i = 1, 200 do time.now() end
print("ESCAPED")
