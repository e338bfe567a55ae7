-- attack: has the host keep schemas of megabytes
-- expect: error bad_argument
-- limits: time=3, memory=64MB
-- allow: tool

tools.register("t", "d", { title = ("x"):rep(8000000) }, function() end)
print("ESCAPED")
