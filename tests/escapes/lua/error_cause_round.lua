-- attack: raises an error whose cause is the error itself, so that whoever follows it never ends
-- expect: error : round
-- limits: time=5

local e = {message = "round"}
e.cause = {message = "and round", cause = e}
local ok = pcall(errors.chain, e)
if ok then print("ESCAPED: a cause that contains itself crossed") end
error(e)
