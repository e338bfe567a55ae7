-- attack: has the host resolve a path of megabytes, which takes time beyond the limit
-- expect: error bad_argument | error io
-- allow: fs:{root}/**

local ok, e = pcall(fs.exists, ("../"):rep(200000))
if e.code ~= "bad_argument" and e.code ~= "io" then print("ESCAPED into the resolver", e.code) end
fs.read(("x"):rep(1000000))
