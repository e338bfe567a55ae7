-- attack: loads text that loads itself, without end
-- expect: error runtime | limit memory | limit time
-- limits: time=0.5

local text
text = "local text, n = ... if n > 1e6 then print('ESCAPED') end return 1 + load(text)(text, n + 1)"
load(text)(text, 1)
