// attack: hides a line break in a remark of another kind
// expect: refused

<!-- x
print("ESCAPED")
