-- attack: loops by goto, which has no block to count
-- expect: limit time
-- limits: time=0.15

::top::
pcall(type, 1)
do goto top end
print("ESCAPED")
