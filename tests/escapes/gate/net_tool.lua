-- attack: goes to a private address through the tool that fetches pages
-- expect: error denied
-- allow: tool, net:*

local page = tools.execute("web_fetch", { url = "http://{server}/" })
print("ESCAPED", page.text)
