// attack: reads the stack of an error for files of the host
// expect: ok true

let stack = "";
try { null.x; } catch (e) { stack += e.stack; }
try { await fs.read("nothing"); } catch (e) { stack += e.stack + JSON.stringify(e); }
stack += new Error("x").stack;
if (/\/(work|home|usr|root)|site-packages|\.py|eval_script|prelude/.test(stack)) print("ESCAPED", stack);
export default stack.length < 2000;
