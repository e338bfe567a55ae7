-- attack: has each step of a loop read a number of eight million digits
-- expect: limit time | limit memory
-- limits: time=0.15
-- only: isolated, because the clock is read after some thousand steps, which here take seconds

local digits, blanks = ("1"):rep(8e6), (" "):rep(8e6) .. "1"
while true do
  tonumber(digits) tonumber(digits, 2) tonumber(blanks) math.tointeger(digits)
  local _ = digits + 0, pcall(string.rep, "a", digits)
end
print("ESCAPED")
