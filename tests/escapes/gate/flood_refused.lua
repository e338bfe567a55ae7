-- attack: makes refused calls without end, which are not counted
-- expect: limit time | limit calls

for i = 1, 1e9 do pcall(fs.read, "x") pcall(http.get, "http://{server}/") pcall(env.get, "PATH") end
print("ESCAPED")
