// attack: takes over the hook that sees every error
// expect: ok null

let saw = 0;
Error.prepareStackTrace = (error, sites) => {
  saw++;
  const f = sites[0]?.getFunction?.() ?? sites[0]?.getThis?.();
  if (f) print("ESCAPED");
  return sites;
};
const stack = new Error("mine").stack;
if (saw || typeof stack !== "string") print("ESCAPED");
try { [].reduce(); } catch (e) { if (typeof e.stack !== "string") print("ESCAPED"); }
