-- attack: registers patterns that take exponential time or megabytes
-- expect: ok "held"
-- limits: time=2, memory=64MB
-- allow: tool

local began = time.now()
for _, pattern in ipairs({ "^(a+)+$", "^(?=(a+)+$)(?:a|aa)+\\1b$", "((((a{200}){200}){20}){20})", "(.*)*(.*)*(.*)*\\1x" }) do
  local ok = pcall(tools.register, "t", "d", { properties = { a = { pattern = pattern } } }, function() return 1 end)
  if ok then pcall(tools.execute, "t", { a = ("a"):rep(5000) .. "!" }) end
end
if time.now() - began > 1 then print("ESCAPED for " .. time.now() - began .. " seconds") end
return "held"
