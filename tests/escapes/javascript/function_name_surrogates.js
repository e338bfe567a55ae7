// attack: functions whose names are no Unicode, or are cut in the middle of a character
// expect: error runtime: deep

const named = (name, f) => Object.defineProperty(f, "name", { value: name });
const o = { ["f\ud800"]: named("ESCAPED\udfff", () => { throw new Error("deep"); }) };
o["m\ud83d"] = named("n".repeat(99) + "\u{1f600}", () => o["f\ud800"]());
eval("o['m\\ud83d']()\n//# sourceURL=\ud800.js");
