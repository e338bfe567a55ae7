-- attack: learns from error messages where the folder is and where links lead
-- expect: ok "held"
-- allow: fs:{root}/**

-- The names of the temporary folders are known here, to look for them; a spell does not know them.
local root, outside = "{root}", "{outside}"
for _, path in ipairs({ "../x", "..", "link", "up", "up/secret.txt", "sub/../../x", "up/../x" }) do
  for _, call in ipairs({ fs.read, fs.exists, fs.list, fs.info, fs.remove }) do
    -- Removing a link removes no more than the link.
    if not (call == fs.remove and (path == "link" or path == "up")) then
      local _, e = pcall(call, path)
      local parent = root:match("^(.*)/")
      for _, host in ipairs({ root, outside, parent }) do
        if e.message:find(host, 1, true) then print("ESCAPED: the message names a folder of the host", path) return "shown" end
      end
    end
  end
end
return "held"
