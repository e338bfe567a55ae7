-- attack: fills the host's memory with tools that replace each other, long in everything they say
-- expect: limit memory | error bad_argument
-- allow: tool
-- limits: time=20, memory=16MB

local long = ("x"):rep(60000)
for i = 1, 2000 do
  tools.register("t", long, { description = long }, function() end, { usage_instructions = long })
  tools.remove("t")
end
print("ESCAPED: kept them all")
