-- attack: has the calculator make text of a gigabyte
-- expect: ok "held"

for _, what in ipairs({ "'%1000000000d' % 1", "'x'.center(1000000000)", "f'{1:1000000000}'", "(5).to_bytes(1000000000, 'big')", "'a'.ljust(1000000000)", "'x'.zfill(1000000000)" }) do
  local ok, e = pcall(tools.calculate, what)
  if ok then print("ESCAPED by " .. what) end
  if e.code ~= "bad_argument" then return e.message end
end
return "held"
