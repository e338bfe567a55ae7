-- attack: loads a chain of a hundred thousand "or", whose jumps the parser joins in quadratic time
-- expect: limit time | ok "refused"
-- limits: time=0.5

local f = load("x = " .. ("a or "):rep(1e5) .. "a")
if f then print("ESCAPED") end
return "refused"
