-- attack: hides a loop between strings and comments that hold keywords, quotes and brackets
-- expect: limit steps
-- limits: steps=10000

local a = "do \" repeat \z
   ' function() goto x \
  -- [["  local b = [==[ ]] ]=] "while true do" --[[ ]==] --[=[ ]] do
]=] local c = 'it\'s' --
local n = 0 while--[[do]]n<1e6--"
do n=n+#'\\'end
print("ESCAPED")
