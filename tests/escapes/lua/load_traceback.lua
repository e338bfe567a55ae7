-- attack: has the parser fail in ways that add a traceback of the host to the message
-- expect: ok 0

local found = 0
for _, text in ipairs({
  ("("):rep(300), "return " .. ("{"):rep(300), ("do "):rep(300), "return " .. ("not "):rep(300) .. "1",
  "return a" .. ("..a"):rep(1000), ("function f() "):rep(300), "local a" .. (",a"):rep(300),
  ("goto x "):rep(40000), "x = " .. ("a or "):rep(300) .. "(", "break", "goto nowhere", "return '",
}) do
  local f, why = load(text)
  if not f and (why:find("traceback") or why:find("python") or why:find("%[C%]")) then
    print("ESCAPED " .. why)
    found = found + 1
  end
end
return found
