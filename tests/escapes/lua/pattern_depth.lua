-- attack: overflows the C stack by the depth of a pattern
-- expect: ok "done" | limit time
-- limits: time=0.5

local text = ("b"):rep(300)
for _, pattern in ipairs({
  ("("):rep(33), ("("):rep(1e5), ("(a"):rep(1e5), ("()"):rep(1e5), ("[a"):rep(1e5), ("%"):rep(99999),
  ("a?"):rep(1e5), ("b?"):rep(1e5), ("%b()"):rep(1e5), ("%f[b]"):rep(1e5), ("a-"):rep(1e5), ("."):rep(1e5),
  "[", "[^", "[]", "[a-", "%", "%b", "%f", "%b(", "%9", "(()", "%1(b)", ("(b"):rep(20) .. (")"):rep(20),
}) do
  for _, f in ipairs({string.find, string.match, string.gmatch, string.gsub}) do
    local ok, why = pcall(f, text, pattern, "x")
    if not ok and type(why) ~= "string" then print("ESCAPED " .. type(why)) end
  end
end
return "done"
