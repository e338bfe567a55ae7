-- attack: gives a model another address, key or headers
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"
-- allow: llm, net:{server}

local codes = {}
for i, f in ipairs({
  function() llm.generate("x", { model = "test/offline", base_url = "http://{server}/" }) end,
  function() llm.generate("x", { model = "test/offline", api_key = "x" }) end,
  function() llm.generate("x", { model = "test/offline", headers = {} }) end,
  function() llm.generate("x", { model = "test/offline", extra_headers = {} }) end,
  function() llm.generate("x", { model = "test/offline", extra_body = {} }) end,
  function() llm.generate("x", { model = "test/offline", http_client = "x" }) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
