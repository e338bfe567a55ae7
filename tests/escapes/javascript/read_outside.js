// attack: reads what it is not granted by every spelling
// expect: error denied
// allow: fs.read:{root}/**

for (const name of ["{outside}/secret.txt", "{root}/../outside/secret.txt", "{root}/link", "{root}/up/secret.txt"]) {
  try { print("ESCAPED", await fs.read(name)); } catch (e) { if (e.code !== "denied") throw e; }
}
await fs.read("{root}/link");
