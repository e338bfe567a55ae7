-- attack: a step pauses, resumes and cancels its own workflow, which then runs again and rests
-- expect: limit time | error : deadlock
-- limits: time=0.3

local w
w = workflow.create({steps = {{id = "a", call = "f"}, {id = "b", call = "f"}}}, {f = function()
  w:pause() w:resume() w:pause() w:cancel() w:resume()
end})
for _ = 1, 5 do
  if pcall(w.run, w) then print("ESCAPED: it was not cancelled") end
end
local q
q = workflow.create({steps = {{id = "a", call = "f"}, {id = "b", call = "f"}}}, {f = function()
  q:pause()
end})
q:run()
print("ESCAPED: it went on")
