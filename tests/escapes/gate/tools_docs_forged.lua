-- attack: the name of an argument and a constraint add a tool to the page about tools
-- expect: ok false
-- allow: tool:*

tools.register("mine", "Does it.", {type = "object", properties = {
  ["a|b\n## ESCAPED"] = {type = "string", description = "x\r## ESCAPED"},
}}, function() end, {constraints = {"few\n## ESCAPED"}, error_guidance = {no = "x\n\n## ESCAPED"}})
local page = "\n" .. tools.docs({format = "markdown"}):gsub("\r", "\n")
return page:find("\n## ESC", 1, true) ~= nil
