-- attack: has the host hold many large answers at once
-- expect: limit memory | error bad_argument
-- limits: time=10, memory=64MB
-- allow: fs:{root}/**

local piece = ("x"):rep(5000000)
fs.write("large", piece)
piece = nil
local reads = {}
for i = 1, 90 do reads[i] = function() return #fs.read("large") end end
parallel(reads)
print("ESCAPED: the host held 450 MB")
