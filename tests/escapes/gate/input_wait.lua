-- attack: waits for input that never comes
-- expect: ok null | limit time | error denied | error io

local text = io.read("a")
if text ~= nil then print("ESCAPED: read what was meant for the host") end
return text
