-- attack: fetches a page whose conversion goes on after its time
-- expect: limit time | error too_large
-- allow: net:{server}

local page = http.fetch("http://{server}/html?part=%3Cp%3Ex%3C%2Fp%3E&times=1900000")
print("ESCAPED")
