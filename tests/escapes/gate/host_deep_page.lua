-- attack: fetches a page of tags in each other without end
-- expect: ok true | error too_large | error malformed
-- limits: time=5, memory=64MB
-- allow: net:{server}

local page = http.fetch("http://{server}/html?part=%3Cblockquote%3E%3Cul%3E%3Cli%3Ex&times=60000")
if #page.text > 4000000 then print("ESCAPED with " .. #page.text) end
return true
