-- attack: lists with patterns, in case the host expands them
-- expect: ok "not_found not_found not_found denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.list("*") end,
  function() fs.list("{root}/**") end,
  function() fs.list("[a-z]*") end,
  function() fs.list("../*") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
