-- attack: reaches services of the machine and its network through a model server of the script
-- expect: ok "refused"
-- limits: time=20
-- allow: llm:*, net:*

for i, url in ipairs({ "http://{server}/v1", "http://169.254.169.254/latest", "http://[::1]:80",
                       "http://metadata.google.internal", "http://2130706433:80" }) do
  local ok, answer = pcall(function()
    llm.providers.create("inside" .. i, { base_url = url, model = "echo" })
    return llm.generate("x", { model = "inside" .. i })
  end)
  if ok then print("ESCAPED " .. url .. answer) end
  local made, tested = pcall(llm.providers.test_connection, "inside" .. i)
  if made and tested.ok then print("ESCAPED " .. url) end
end
return "refused"
