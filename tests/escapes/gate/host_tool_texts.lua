-- attack: has the host keep descriptions of megabytes, of many tools
-- expect: error bad_argument
-- limits: time=10, memory=64MB
-- allow: tool

local long = ("x"):rep(2000000)
for i = 1, 60 do tools.register("t" .. i, long, {}, function() end) end
print("ESCAPED: the host keeps 120 MB")
