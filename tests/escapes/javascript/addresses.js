// attack: looks for addresses in texts of things
// expect: ok null

const all = [{}, [], () => {}, Symbol("x"), new Map(), sleep, fs, new Error("x"), sleep(0), globalThis];
const text = all.map((v) => { try { return String(v) + Object.prototype.toString.call(v); } catch { return ""; } }).join();
if (/0x[0-9a-f]{5}|[0-9]{8}/.test(text)) print("ESCAPED", text);
print(...all.slice(0, 5));
