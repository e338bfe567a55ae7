-- attack: keeps the host busy with patterns that explode, are large, or match at every place
-- expect: limit time | error bad_argument | ok "held"
-- limits: time=4

local long = ("a"):rep(200000)
for _, pattern in ipairs({ "(a+)+$", "(a|a)*b", "(x{100}){10}y", "a.*b|a", "(?:a?){50}a{50}", ("(a*)"):rep(100) }) do
  pcall(text.find, long, pattern, { limit = 1000 })
  pcall(text.replace, long, pattern, "$0$0")
end
if #text.find("a", "a") ~= 1 then print("ESCAPED: it does not work any more") end
return "held"
