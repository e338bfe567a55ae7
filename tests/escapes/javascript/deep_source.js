// attack: makes code of brackets within brackets
// expect: limit stack
// limits: time=10

try { eval("[".repeat(1e5) + "]".repeat(1e5)); } catch {}
try { eval("(".repeat(1e6)); } catch {}
try { JSON.parse("[".repeat(1e6)); } catch {}
throw new Error("held"); // ESCAPED
