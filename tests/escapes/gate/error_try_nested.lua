-- attack: tries in what it tries, without end, so that the host runs out of stack
-- expect: limit calls | limit tasks | limit time | limit memory
-- limits: time=5, memory=64MB

local function deeper() return errors.try(deeper, deeper, deeper) end
deeper()
print("ESCAPED")
