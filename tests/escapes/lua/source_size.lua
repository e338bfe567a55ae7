-- attack: loads a source one byte larger than a megabyte, and one that is larger only in bytes
-- expect: ok [false, true]

local size = 1024 * 1024
local over = load(("\n"):rep(size) .. " ")
local exact = load(("\n"):rep(size))
if over then print("ESCAPED") end
return {over ~= nil, exact ~= nil}
