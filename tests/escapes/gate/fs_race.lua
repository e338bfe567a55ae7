-- attack: wins the race between check and use: a name turns from a file into a link again and again
-- expect: ok "held"
-- limits: time=5, memory=64MB
-- allow: fs:{root}/**

-- `race` in the folder is swapped all the time from outside; without it this uses its own file.
local name = "own"
for i = 1, 20 do
  local there, e = pcall(fs.exists, "race")
  if there and e or not there and e.code == "denied" then name = "race" break end
  sleep(0.01)
end
local tasks = {}
for i = 1, 20 do
  tasks[i] = function()
    for n = 1, 25 do
      if name == "own" then pcall(fs.write, name, "inside") pcall(fs.remove, name) end
      local ok, text = pcall(i % 2 == 0 and fs.read or fs.read_bytes, name)
      if ok and text ~= "inside" then print("ESCAPED " .. text) end
      if i % 5 == 0 and name == "race" then pcall(fs.append, name, "") end
    end
  end
end
parallel(tasks)
return "held"
