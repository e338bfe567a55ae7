// attack: searches a list of 2^32 holes
// expect: limit time
// limits: time=0.3

const list = [];
list.length = 2 ** 32 - 1;
for (;;) { list.indexOf(7); list.includes(7, 1); list.reverse(); list.join(); }
print("ESCAPED");
