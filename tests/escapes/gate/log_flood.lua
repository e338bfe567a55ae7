-- attack: fills the disk of whoever keeps the log
-- expect: limit output | limit calls
-- limits: time=10, memory=64MB

local line = ("x"):rep(100000)
for i = 1, 200 do log.info(line) end
print("ESCAPED: logged 20 MB")
