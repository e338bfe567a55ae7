-- attack: has a shell, a variable or a pattern come to life in an argument
-- expect: ok "$HOME `id` $(id) ; id |id > x *"
-- allow: exec:echo

local done = process.exec({ "echo", "-n", "$HOME", "`id`", "$(id)", ";", "id", "|id", ">", "x", "*" })
if done.stdout:find("uid=", 1, true) then print("ESCAPED") end
return done.stdout
