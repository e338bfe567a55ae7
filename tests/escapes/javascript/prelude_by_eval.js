// attack: looks for what the prelude keeps by eval, direct and not
// expect: ok null

for (const name of ["flush", "events", "kill", "handles", "newHandle", "maxTasks"]) {
  if (eval(`typeof ${name}`) !== "undefined") print("ESCAPED");
  if ((0, eval)(`typeof ${name}`) !== "undefined") print("ESCAPED");
}
