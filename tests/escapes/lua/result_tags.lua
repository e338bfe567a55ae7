-- attack: forges handles, functions and bytes by the keys that stand for them in the text form
-- expect: error runtime : has a key that starts with NUL

for _, forged in ipairs({
  {["\0handle"] = {"agent", 1}}, {["\0function"] = 1}, {["\0bytes"] = "ff"}, {["\0"] = 1}, {["\0handle"] = 1, a = 2},
}) do
  for _, f in ipairs({json.encode, agent.run, log.info, tools.execute}) do
    if pcall(f, forged, "x") or pcall(f, {forged}, "x") then print("ESCAPED") end
  end
end
return {["\0function"] = 1}
