-- attack: has the host keep error messages of megabytes
-- expect: ok "held" | limit time | limit memory
-- limits: time=3, memory=64MB

local long = ("z"):rep(4000000)
for i = 1, 20 do
  local ok, e = pcall(time.iso, 0, long .. i)
  if #e.message > 10000 then print("ESCAPED with a message of " .. #e.message) return "long" end
end
return "held"
