-- attack: a spell that runs itself many times over, so that isolates and processes fill the host
-- expect: ok "ended" | limit calls | limit time | limit memory
-- limits: time=5, calls=200
-- allow: fs:{root}/**

local text = [[
local jobs = {}
for n = 1, 8 do jobs[n] = function() return pcall(spell.run, "{root}/bomb.lua", {depth = params.depth + 1}) end end
if params.depth > 4 then print("ESCAPED: " .. params.depth .. " deep") end
parallel(jobs)
return params.depth
]]
fs.write("{root}/bomb.lua", text)
local ok, r = pcall(spell.run, "{root}/bomb.lua", {depth = 1})
if ok and r.output:find("ESCAPED", 1, true) then print(r.output) end
return "ended"
