-- attack: fetches a small page that becomes hundreds of megabytes
-- expect: ok true | error too_large | error malformed
-- limits: time=20, memory=64MB
-- allow: net:{server}

local page = http.fetch("http://{server}/html?before=%3Ctable%3E%3Ctr%3E&part=%3Ctd%20colspan%3D1000%3Ex&times=50000")
if #page.text > 4000000 then print("ESCAPED with " .. #page.text) end
return true
