-- attack: loses or doubles a file by writing it onto itself, through other spellings of its name
-- expect: ok "held"
-- limits: time=20
-- allow: fs:{root}/**

for _, other in ipairs({ "inside.txt", "./inside.txt", "sub/../inside.txt", "{root}/inside.txt", ".//inside.txt" }) do
  pcall(fs.copy, "inside.txt", other)
  pcall(fs.move, "inside.txt", other)
  pcall(fs.move, other, "inside.txt")
  if fs.read("inside.txt") ~= "inside" then print("ESCAPED by " .. other) end
end
for _, other in ipairs({ ".", "sub", "sub/", "inside.txt/x", "link", "up/x", "pipe", "sock" }) do
  if pcall(fs.move, "inside.txt", other) then print("ESCAPED by moving to " .. other) end
  if pcall(fs.copy, other, "sub/copy") then print("ESCAPED by copying " .. other) end
end
if fs.read("inside.txt") ~= "inside" or fs.exists("sub/copy") then print("ESCAPED: it is lost") end
return "held"
