// What the host is told of a turn: events, output, errors and where they were made.

const events = bare([]);                    // of this turn, as texts: kind, number, two more
let pieces = "", killed = "", halted = bare([]), stopped = false;
const FLUSH = 16384;

function event(kind, number, a, b) {
  if (pieces) {
    const text = pieces;
    pieces = "";
    event("print", 0, text);
  }
  events[events.length] = `["${kind}",${number},${quoteJson(a ?? "")},${quoteJson(b ?? "")}]`;
}

function write(text) {
  if (stopped) return;
  pieces += toWellFormed(text);
  if (pieces.length > FLUSH) {
    flush(`+${pieces}`);
    pieces = "";
  }
}

// Ends the run: no later step of the script counts, and it takes no more than a few.
function kill(limit) {
  killed = killed || limit;
  stopped = true;
  flush(`\0${killed}`);
}

// Where errors were made. The hook sees every error, also those of the VM itself. -----------------

const MAX_FRAMES = 20;
const places = new WeakMap();               // error -> frames
const faults = new WeakMap();               // error of a capability -> class and where it was called

Error.stackTraceLimit = MAX_FRAMES + 4;
Error.prepareStackTrace = (error, sites) => {
  const gone = error instanceof InternalError_;
  if (gone && error.message === "out of memory") kill("memory");
  const frames = bare([]);
  let text = "";
  for (let i = 0; i < sites.length && frames.length < MAX_FRAMES; i++) {
    const file = toWellFormed(sites[i].getFileName() ?? ""), line = sites[i].getLineNumber();
    // "<input>" is the text that JSON.parse was given.
    if (!file || !line || file === "eval_script" || file === "<input>") continue;
    const called = sites[i].getFunctionName() || "", column = sites[i].getColumnNumber();
    const name = called === "<eval>" || called === "<anonymous>" ? "" : called;
    frames[frames.length] = bare([file, line, toWellFormed(slice(name, 0, 100))]);
    text += `    at ${name ? `${name} (` : ""}${file}:${line}:${column}${name ? ")" : ""}\n`;
  }
  if (gone && error.message === "interrupted" && !stopped) {
    stopped = true;
    halted = frames;
  }
  if (!weakGet(places, error)?.length) weakSet(places, error, frames);
  if (error instanceof ReferenceError_) unloaded(error);
  return text;
};
const ReferenceError_ = freeze(ReferenceError), NOT_LOADED = "Error loading module '";

// The VM says only that a module could not be had. The host knows why.
function unloaded(error) {
  const said = error.message;
  if (typeof said !== "string" || !startsWith(said, NOT_LOADED) || weakHas(faults, error)) return;
  const module = slice(said, NOT_LOADED.length, -1);
  const told = parseJson(flush(`?${module}`));
  if (!told) return;
  own(error, "message", told.message, false);
  for (const key of ["code", "capability"]) own(error, key, told[key]);
  weakSet(faults, error, { __proto__: null, class: told.class, known: false, module });
}
const InternalError_ = freeze(InternalError);
delete Error.prepareStackTrace;

function here() {
  return weakGet(places, new Error_("")) ?? bare([]);
}

class CapabilityError extends Error {
  toString() {
    return `${this.line ? `${this.file}:${this.line}: ` : ""}${this.message}`;
  }
}

function told_error(e) {
  const told = { __proto__: null };
  const keys = keysOf(e);
  for (let i = 0; i < keys.length; i++) told[keys[i]] = e[keys[i]];
  told.message = String_(e.message);
  if (told.type === undefined && e.name !== "Error") told.type = String_(e.name);
  if (e.cause !== undefined) told.cause = e.cause;
  const frames = weakGet(places, e);
  if (frames && frames.length && told.line === undefined && !weakHas(faults, e)) {
    told.file = frames[0][0];
    told.line = frames[0][1];
  }
  return told;
}

// Makes the error of a capability, as the host told it.
function fault(told, frames, called) {
  const e = new CapabilityError(told.message);
  const name = told.type ?? told.class ?? "HostFailure";
  own(e, "name", name, false);
  const keys = keysOf(told);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (key !== "message" && key !== "class" && key !== "cause") own(e, key, told[key]);
  }
  if (told.cause !== undefined) own(e, "cause", told.cause, false);
  if (!told.type) own(e, "type", name);
  if (e.line === undefined && frames.length) {
    own(e, "file", frames[0][0]);
    own(e, "line", frames[0][1]);
  }
  weakSet(faults, e, { __proto__: null, class: told.class ?? name, known: told.frames !== undefined, called });
  weakSet(places, e, frames);
  return e;
}

function clip(text) {
  text = String_(text);
  if (text.length > 65536) text = slice(text, 0, 65536) + "...";
  return toWellFormed(text);
}

function kindOf(v) {
  return v === null ? "null" : v === undefined ? "nothing" : isArray(v) ? "array" : typeof v;
}

// The kind of a value in the words of the host, which are the same in every language.
function hostKindOf(v) {
  return v instanceof Promise_ ? "promise" : v !== null && typeof v === "object" ? "table" : kindOf(v);
}

// What the host is told of an uncaught error, as text.
function report(e) {
  const said = { __proto__: null, kind: "error", frames: bare([]) };
  try {
    if (e !== null && typeof e === "object") said.frames = weakGet(places, e) ?? bare([]);
    if (e instanceof Error_) {
      const from = weakGet(faults, e);
      if (from) {
        said.kind = "fault";
        said.class = from.class;
        said.retryable = e.retryable === true;
        said.code = typeof e.code === "string" ? clip(e.code) : undefined;
        said.capability = typeof e.capability === "string" ? clip(e.capability) : undefined;
        said.message = clip(e.message);
        said.module = from.module;
        if (from.known) said.frames = bare([]);
      } else {
        const name = e.name === undefined ? "Error" : String_(e.name);
        said.syntax = e instanceof SyntaxError;
        said.message = clip(name === "Error" || !name ? e.message : `${name}: ${e.message}`);
      }
    } else if (typeof e === "string" || typeof e === "number") {
      said.message = clip(e);
    } else if (e instanceof Promise_) {
      said.message = "a promise was thrown: await it first, as in throw await errors.create(...)";
    } else {
      said.message = clip(typeof e?.message === "string" ? e.message : `the script raised ${kindOf(e)}`);
    }
    if (e !== null && typeof e === "object") {
      const more = toText(e);
      if (more.length <= 65536) said.value = more;
    }
  } catch (_) {
    said.message ??= "an error that cannot be told";
  }
  return quoteJson(said);
}
