-- attack: raises records with the class, the code and the frames of others, to be taken for a limit or for other files
-- expect: ok ["ScriptRuntimeError", "runtime", true, true]
-- limits: time=5

local e = errors.try(function()
  error({message = "m", type = "ScriptRuntimeError", code = "time", retryable = "yes",
    frames = {{file = "/etc/passwd", line = 1}}, cause = {type = "InternalError", message = ("x"):rep(1000000)}})
end, function(e) return e end)
for _, step in ipairs(e.frames) do
  if step.file == "/etc/passwd" then print("ESCAPED: a frame of another file") end
end
local ok, forged = pcall(errors.try, function() error({message = "m", type = "Denied", code = "denied"}) end)
if forged.type ~= "ScriptRuntimeError" then print("ESCAPED: taken for a refusal") end
return {e.type, e.code, e.retryable == false, #e.cause.message <= 4000}
