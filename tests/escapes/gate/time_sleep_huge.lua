-- attack: sleeps longer than any clock counts
-- expect: limit time

time.sleep(1e308)
print("ESCAPED")
