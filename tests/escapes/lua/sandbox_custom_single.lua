-- attack: works with one function only, and looks for others
-- expect: error runtime : is not part of the sandbox math.floor
-- sandbox: math.floor

local f = math.floor
if math.ceil or string or table or pcall or print then return "ESCAPED" end
return ("x"):rep(3)
