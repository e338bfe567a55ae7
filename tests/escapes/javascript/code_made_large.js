// attack: makes code with very many cases, names, parameters and fields, which take the square of their number
// expect: limit time | limit memory
// limits: time=0.5

const many = (count, of) => Array.from({ length: count }, (_, i) => of(i)).join("");
for (;;) {
  for (const code of [
    "switch(1){" + many(3e4, (i) => `case ${i}:`) + "}", "class A{" + many(2e4, (i) => `#a${i};`) + "}", "{" + many(3e4, (i) => `let a${i};`) + "}",
    "var " + many(5e4, (i) => `a${i},`) + "z", "({" + many(3e4, (i) => `a${i}:1,`) + "})", "(function(" + many(5e4, (i) => `a${i},`) + "z){})",
    many(2e4, (i) => `function f${i}(){}`), "x=" + "1+".repeat(1e5) + "1", many(2e4, (i) => `l${i}:;`), "[" + "...[],".repeat(1e5) + "]",
  ]) try { eval(code); } catch (e) {}
}
print("ESCAPED");
