-- attack: catches the end of a slow request again and again
-- expect: limit time
-- allow: net:{server}

for i = 1, 1000 do pcall(http.request, "http://{server}/slow", { timeout = 0.05 }) end
print("ESCAPED")
