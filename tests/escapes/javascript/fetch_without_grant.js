// attack: fetches what no grant covers, by every spelling
// expect: error denied

const tries = ["http://{server}/html", new URL("http://{server}/html"), { url: "http://{server}/html" }];
for (const one of tries) {
  try {
    print("ESCAPED", await (await fetch(one)).text());
  } catch (e) {
    if (e.code !== "denied") print("ESCAPED", e.message);
  }
}
await fetch("http://{server}/html", { signal: new AbortController().signal });
