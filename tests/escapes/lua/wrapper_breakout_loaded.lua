-- attack: ends the function around loaded text in every way a wrapper made of text could be left
-- expect: ok 0

local found = 0
for _, text in ipairs({
  "end", "end while true do", "end end", "end return function()", ") end (", "]] end --[[", "]=] end --[=[",
  "return 1 end do", "--[[", "--[==[\nend", "'", "\"\\", "until true", "else", "elseif x then", "return return",
  "end)() (function()", "::a:: end goto a do",
}) do
  if load(text) then
    print("ESCAPED " .. text)
    found = found + 1
  end
end
return found
