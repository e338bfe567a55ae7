-- attack: wraps large errors in each other, so that the host and each record grow with every level
-- expect: ok [16, true]
-- limits: time=10, memory=64MB

local e = {message = ("m"):rep(100000), data = ("d"):rep(100000)}
for i = 1, 100 do e = errors.wrap({message = ("m"):rep(100000), data = ("d"):rep(100000), cause = e}, ("w"):rep(100000)) end
local links = errors.chain(e)
local text = errors.to_json(e)
if #text > 1000000 then print("ESCAPED: a record of " .. #text .. " bytes") end
return {#links, links[1].context == nil}
