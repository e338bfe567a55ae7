-- attack: puts code, attributes of the host and names of its own output into templates
-- expect: ok "held"

local bad = { "{{a.__class__}}", "{{a.output.__class__.__mro__}}", "{{a.output|upper}}", "{{ 7*7 }}", "{{a['output']}}", "{{a.outcome.status}}",
  "{{__builtins__}}", "{{self}}", "{{a.output(1)}}", "{{a.output:format}}", "{{}}", "{{.}}", "{{a}}", "{{..}}" }
for _, text in ipairs(bad) do
  local ok, r = pcall(function()
    return workflow.create({ steps = { { id = "a", call = function() return { x = 1 } end }, { id = "b", call = function(g) return g.input end, input = text .. " " } } }):run().output
  end)
  if ok then print("ESCAPED by " .. text .. ": " .. tostring(r)) end
end
-- What a step gives is data: templates in it stay text.
local r = workflow.create({ variables = { secret = "hidden" }, steps = { { id = "a", call = function() return "{{secret}}" end },
  { id = "b", call = function(g) return g.input end, input = "got {{a.output}}" } } }):run()
if r.output ~= "got {{secret}}" then print("ESCAPED: " .. r.output) end
return "held"
