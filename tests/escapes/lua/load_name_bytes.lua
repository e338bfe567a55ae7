-- attack: a program whose name is no text fails, so that the host cannot read where
-- expect: error runtime: x

local ok, err = pcall(load("fs.read('x')", "=\xff\0\n" .. ("\xc3\xa9"):rep(60)))
if ok or type(err.file) ~= "string" then print("ESCAPED") end
load("error('x')", "=\xff\xfe" .. ("\xc3\xa9"):rep(60))()
