-- attack: a request with very many headers, which takes the host long to write
-- expect: ok "held"
-- limits: time=10
-- allow: net:{server}

local many, long, one = {}, {}, {["x-long"] = ("a"):rep(900000)}
for i = 1, 40000 do many["x-" .. i] = "y" end
for i = 1, 90 do long["x-" .. i] = ("y"):rep(9000) end
for _, headers in ipairs({many, long, one}) do
  if pcall(http.get, "http://{server}/echo", headers) then print("ESCAPED: they were sent") end
end
if http.get("http://{server}/echo", {["x-one"] = "1"}).status ~= 200 then print("ESCAPED: it does not work any more") end
return "held"
