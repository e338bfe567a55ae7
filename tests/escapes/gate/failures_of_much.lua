-- attack: has many calls fail, each with another text and much that was read by then
-- expect: ok 40
-- limits: time=20

local failed = 0
for i = 1, 40 do
  local ok = pcall(csv.decode, ("a,b\n"):rep(29000) .. ("\n"):rep(i) .. "a,b,c\n")
  failed = failed + (ok and 0 or 1)
end
if failed < 40 then print("ESCAPED") end
return failed
