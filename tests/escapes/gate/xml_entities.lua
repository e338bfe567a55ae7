-- attack: has XML read a file, ask a host, or grow by its entities
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"

local codes = {}
for i, head in ipairs({
  "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", "<!DOCTYPE a SYSTEM 'http://127.0.0.1/x.dtd'>",
  "<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY x '&b;&b;&b;&b;&b;&b;'>]>", "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'>%p;]>",
}) do
  local ok, e = pcall(xml.decode, head .. "<a>&x;</a>")
  if ok then print("ESCAPED") end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
