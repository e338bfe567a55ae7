// attack: makes functions of every kind from text and looks for a host
// expect: ok null

const kinds = [function () {}, async () => {}, function* () {}, async function* () {}];
for (const kind of kinds) {
  const make = Object.getPrototypeOf(kind).constructor;
  const made = make("for (const name of ['require', 'module', 'std', 'os', 'Deno', 'host_call', 'WebAssembly', " +
    "'SharedArrayBuffer', 'InternalError', 'WeakRef', 'FinalizationRegistry', 'bjson', 'scriptArgs', 'gc'])" +
    " if (globalThis.process?.binding || typeof globalThis[name] !== 'undefined') print('ESCAPED', name);");
  const run = made();
  await run;
  if (run?.next) await run.next();
}
