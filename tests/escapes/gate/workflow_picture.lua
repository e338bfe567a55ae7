-- attack: a description leaves the picture of a workflow, and adds a link to it
-- expect: ok false

local w = workflow.create({steps = {
  {id = "a", description = '"]\n    click a href "javascript:ESCAPED"\n%%{init: {}}%%', call = "f"},
  {id = "b", description = "<img src=x onerror=alert(1)>;#quot;", call = "f"},
}}, {f = function() end})
local picture = w:mermaid()
return picture:find("\n *click") ~= nil or picture:find("<img", 1, true) ~= nil
  or picture:find("%%{", 1, true) ~= nil
