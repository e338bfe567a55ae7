-- attack: runs spells that no grant reaches: by paths out of the folder, through links, and modules beside one that may be read
-- expect: ok "held"
-- limits: time=5
-- allow: fs:{root}/**

fs.write("{root}/in.lua", "return require('secret')")
fs.write("{root}/reads.lua", "return fs.read('{outside}/secret.txt')")
for _, path in ipairs({ "{outside}/secret.lua", "../outside/secret.lua", "{root}/up/secret.lua", "{root}/../outside/secret", "/etc/passwd", "{outside}/secret.txt",
                        "{root}/link", "{root}/in.lua", "{root}/reads.lua", "{root}/inside.txt", "/proc/self/root/etc/x.lua", "", ("a/"):rep(600), "\0.lua", "~/x.lua" }) do
  local ok, e = pcall(spell.run, path)
  if ok then print("ESCAPED by " .. path) end
end
return "held"
