// attack: prints a thing whose parts never end
// expect: limit time
// limits: time=0.3

print({ get x() { for (;;); } });
print("ESCAPED");
