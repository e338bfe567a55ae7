-- attack: nests blocks, calls and expressions so deep that the parser overflows the C stack
-- expect: ok "done"
-- limits: time=10

for _, text in ipairs({
  ("("):rep(4e4), "return " .. ("("):rep(190) .. "1" .. (")"):rep(190), ("{"):rep(4e4), "x = " .. ("{"):rep(4e4) .. ("}"):rep(4e4),
  "return " .. ("not "):rep(4e4) .. "1", "return " .. ("-"):rep(4e4) .. "1", "return " .. ("- "):rep(4e4) .. "1",
  "return a" .. ("..a"):rep(4e4), "return " .. ("2^"):rep(4e4) .. "1", "return a" .. (".a"):rep(8e4), "a" .. ("()"):rep(8e4),
  "a" .. ("[1]"):rep(4e4), ("do "):rep(4e4) .. ("end "):rep(4e4), ("function f() "):rep(4e4), ("if x then "):rep(4e4),
  ("while x do "):rep(4e4), ("repeat "):rep(4e4), ("for i = 1, 2 do "):rep(1e4), ("f(function() "):rep(1e4),
  "if x then " .. ("elseif x then "):rep(2e3) .. "end", "x = " .. ("a or "):rep(2e3) .. "a", "return {" .. ("1,"):rep(1e5) .. "}",
  ("::a::"):rep(1e4), ("a = "):rep(4e4), "local a" .. (",a"):rep(4e4), "return " .. ("f{"):rep(1e4), ("a:b"):rep(1e4), ("goto a "):rep(4e4),
}) do
  local f, why = load(text)
  if not f and why:find("traceback") then print("ESCAPED " .. why) end
  if f then pcall(f) end
end
return "done"
