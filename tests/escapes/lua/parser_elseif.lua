-- attack: loads a chain of fifty thousand "elseif", whose jumps the parser joins in quadratic time
-- expect: limit time | ok "refused"
-- limits: time=0.5

local f = load("if x then " .. ("elseif x then "):rep(5e4) .. "end")
if f then print("ESCAPED") end
return "refused"
