-- attack: uses memory up in a message handler, a comparator and a callback
-- expect: limit memory
-- limits: time=5, memory=8MB

local function hog() return ("x"):rep(1e9) end
pcall(xpcall, error, hog)
pcall(table.sort, {2, 1}, hog)
pcall(string.gsub, "x", "x", hog)
print("ESCAPED")
