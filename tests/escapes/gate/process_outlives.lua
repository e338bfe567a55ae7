-- attack: leaves a program behind that writes after the run
-- expect: limit time
-- allow: exec:sh
-- limits: time=1

process.exec({ "sh", "-c", "sleep 30; echo ESCAPED > {root}/escaped" }, { timeout = 100 })
print("ESCAPED: it ended")
