-- attack: a search for very many words in very long descriptions, which holds up the host
-- expect: error bad_argument
-- limits: time=10
-- allow: tool:*

local long = string.rep("y", 60000) .. " x"
for i = 1, 100 do tools.register("t" .. i, long, {}, function() end) end
local words = {}
for i = 1, 100000 do words[i] = "x" .. string.rep("x", i % 50) end
tools.search(table.concat(words, " "))
print("ESCAPED: it was searched for")
