-- attack: gives text that is no Unicode, and keys that are no names
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.read("\xff\xfe") end,
  function() json.encode({ [1.5] = 1 }) end,
  function() json.encode({ [true] = 1 }) end,
  function() log.info("\xed\xa0\x80") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
