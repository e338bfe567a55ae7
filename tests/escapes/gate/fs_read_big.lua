-- attack: reads a file of 20 MB into 64 MB
-- expect: error too_large
-- allow: fs:{root}/**

local text = fs.read("big.bin")
print("ESCAPED with " .. #text)
