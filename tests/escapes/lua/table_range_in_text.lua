-- attack: gives table.move a range of billions of items as text, which the bounds do not read
-- expect: error | limit time
-- limits: time=0.15

table.move({}, "1", "9007199254740992", 2)
print("ESCAPED")
