-- attack: runs many spells at the same time, each of which holds as much memory as it can
-- expect: ok "held"
-- limits: time=60, memory=32MB
-- allow: fs:{root}/**

fs.write("{root}/hold.lua", "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t sleep(0) end")
local jobs, given = {}, 0
for n = 1, 32 do
  jobs[n] = function()
    local ok, e = pcall(spell.run, "{root}/hold.lua", {}, { limits = { memory = 16000000 } })
    given = given + tonumber(e.message:match("limit of (%d+)"))
  end
end
parallel(jobs)
if given > 4 * 32000000 then print("ESCAPED: " .. given) end
return "held"
