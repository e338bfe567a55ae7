// The tasks of a script and the calls through which every effect leaves; errors; the door.

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
  pieces += text;
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
    const file = sites[i].getFileName(), line = sites[i].getLineNumber();
    if (!file || !line || file === "eval_script") continue;
    const called = sites[i].getFunctionName() || "", column = sites[i].getColumnNumber();
    const name = called === "<eval>" || called === "<anonymous>" ? "" : called;
    frames[frames.length] = bare([file, line, slice(name, 0, 100)]);
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
  return wellFormed(text) ? text : text.toWellFormed();
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

// Calls out. -------------------------------------------------------------------------------------

const waiting = new Map();                  // number of a call -> its task
let lastId = 0, alive = 0, maxTasks = 1000;
let inFlight = 0;                           // calls the end of the program waits for
let behind = false;                         // whether what runs now goes on from a background task

// What can be cancelled as a whole: a task, or all functions of parallel(). Calls belong to the scope
// that was current when they were made, and their answers make it current again. Microtasks do not
// tell whose they are, so that a call may belong to none; then it goes on.
let scope = null;

function newScope() {
  return { __proto__: null, outer: scope, over: false };
}

function isOver(inner) {
  for (; inner; inner = inner.outer) if (inner.over) return true;
  return false;
}

// Ends the calls of a scope, and those within it; its functions can make no further ones.
function close(ended) {
  ended.over = true;
  const all = bare([]);
  mapEach(waiting, (state) => { if (isOver(state.scope)) all[all.length] = state; });
  for (let i = 0; i < all.length; i++) {
    const state = all[i];
    state.over = true;
    forget(state);
    event("cancel", state.id);
    promiseThen(state.promise, undefined, () => {});
    // Each in a turn of its own, so that what it goes on with is known to be of this scope.
    later({ scope: state.scope, late: state.late, f: () => state.fail(cancelled()) });
  }
}

function within(inner, late, f) {
  const was = scope, before = behind;
  scope = inner;
  behind = late;
  try {
    return f();
  } finally {
    scope = was;
    behind = before;
  }
}

function cancelled() {
  return fault({ class: "Cancelled", type: "Cancelled", code: "cancelled", retryable: false,
    message: "the task was cancelled", capability: "cancel" }, bare([]));
}
const unseen = new Map();                   // number of a promise that failed unseen -> its reason
const reason = bare([Math.sqrt(3) * 1e-200]);  // the host puts reasons here, and knows it by this

// A promise of ours: it can be cancelled.
class Task extends Promise {
  then(done, failed) {
    return promiseThen(this, done, failed);
  }

  cancel() {
    const state = weakGet(states, this);
    if (!state || state.over) return false;
    state.over = true;
    if (state.id) {
      forget(state);
      event("cancel", state.id);
    }
    if (state.own) close(state.own);
    promiseThen(this, undefined, () => {});
    state.fail(cancelled());
    return true;
  }

  done() {
    return weakGet(states, this)?.over ?? false;
  }

  // What it gives is iterated: for await (const piece of llm.stream(prompt)).
  async *[Symbol.asyncIterator]() {
    yield* await this;
  }

  static get [Symbol.species]() {
    return Promise_;
  }
}
const promiseThen = bind(Promise.prototype.then);
const states = new WeakMap();

function newTask() {
  const state = { __proto__: null, over: false, id: 0, frames: bare([]), late: false, what: "" };
  // Not by `new`: the script may have given Task another parent.
  state.promise = construct(Promise_, [(done, fail) => {
    state.done = done;
    state.fail = fail;
  }], Task);
  weakSet(states, state.promise, state);
  return state;
}

function failed(state, e) {
  state.over = true;
  state.fail(e);
}

// The first failure that nobody has looked at, as an entry of `unseen`. Being cancelled is none.
function lost() {
  let found;
  mapEach(unseen, (e, number) => {
    if (!found && weakGet(faults, e)?.class !== "Cancelled") found = [number, e];
  });
  return found;
}

function count() {
  alive++;
  if (alive > maxTasks) {
    kill("tasks");
    throw new Error_("too many tasks");
  }
}

function encodeArgs(name, params, args) {
  let text = "";
  for (let i = 0; i < args.length; i++) {
    try {
      text += `${i ? "," : ""}${toText(args[i])}`;
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      throw fault({ class: "BadArgument", code: "bad_argument", capability: name, retryable: false,
        message: `${name}: ${params[i] ?? "argument"}${e.path} ${e.reason}` }, here());
    }
  }
  return `[${text}]`;
}

function forget(state) {
  mapDelete(waiting, state.id);
  alive--;
  if (!state.late) inFlight--;
}

function call(name, params, args) {
  const state = newTask();
  state.frames = here();
  state.what = name;
  state.late = behind;
  state.scope = scope;
  try {
    if (isOver(scope)) throw cancelled();
    while (args.length && args[args.length - 1] === undefined) args.length--;
    const text = encodeArgs(name, params, args);
    count();
    state.id = ++lastId;
    mapSet(waiting, state.id, state);
    if (!state.late) inFlight++;
    event("call", state.id, name, text);
  } catch (e) {
    failed(state, e);
  }
  return state.promise;
}

// Tasks of the script: async, spawn, parallel. -----------------------------------------------------

function wanted(f, who) {
  if (typeof f !== "function") throw new TypeError(`${who}: expected a function, got ${kindOf(f)}`);
}

let living = 0;                             // tasks made by async that have not ended

function start(who, background, f, args) {
  wanted(f, who);
  count();
  const state = newTask(), late = background || behind;
  state.late = late;
  state.own = newScope();
  if (background) state.own.outer = null;
  if (!late) living++;
  const end = () => {
    alive--;
    if (!late) living--;
  };
  const begin = () => {
    if (isOver(state.own)) throw cancelled();
    return within(state.own, late, () => apply(f, undefined, args));
  };
  promiseThen(promiseThen(resolved, begin), (value) => {
    end();
    state.over = true;
    state.done(value);
  }, (e) => {
    end();
    if (!state.over) failed(state, e);
  });
  return state.promise;
}
const resolved = Promise.resolve();

function async_(f, ...args) {
  return start("async", false, f, args);
}

function spawn(f, ...args) {
  return start("spawn", true, f, args);
}

function parallel(list, options) {
  const state = newTask();
  try {
    if (!isArray(list)) throw new TypeError(`parallel: expected a list of functions, got ${kindOf(list)}`);
    if (options !== undefined && (options === null || typeof options !== "object" || isArray(options))) {
      throw new TypeError(`parallel: options must be a map, got ${kindOf(options)}`);
    }
    const keys = keysOf(options ?? {});
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] !== "limit") throw new TypeError(`parallel: options.${keys[i]} is not known; there is limit`);
    }
    const limit = options?.limit;
    if (limit !== undefined && !(typeof limit === "number" && limit >= 1)) {
      throw new TypeError("parallel: limit must be a number above 0");
    }
    for (let i = 0; i < list.length; i++) {
      if (typeof list[i] !== "function" && !(list[i] instanceof Promise_)) {
        throw new TypeError(`parallel: item ${i + 1} must be a function or a promise, got ${kindOf(list[i])}`);
      }
    }
    const results = new Array(list.length).fill(undefined);
    let taken = 0, over = 0;
    const own = (state.own = newScope()), late = behind;
    const runner = async () => {
      while (taken < list.length && !state.over) {
        const i = taken++;
        results[i] = await (typeof list[i] === "function" ? within(own, late, list[i]) : list[i]);
        over++;
      }
      if (over === list.length && !state.over) {
        state.over = true;
        state.done(results);
      }
    };
    const runners = limit !== undefined && limit < list.length ? limit : list.length;
    if (!list.length) state.done(results);
    for (let i = 0; i < runners; i++) {
      promiseThen(runner(), undefined, (e) => {
        if (state.over) return;
        state.over = true;
        close(own);
        // In a turn of its own: what goes on after the failure is no part of what it ended.
        later({ scope: own.outer, late, f: () => state.fail(e) });
      });
    }
  } catch (e) {
    failed(state, e);
  }
  return state.promise;
}

// What is to be done in a turn of its own, which the host gives when all else of this one is done.
const postponed = new Map();
let lastPostponed = 0;

function later(what) {
  mapSet(postponed, ++lastPostponed, what);
  event("later", lastPostponed);
}

// Handles: what a script holds of a host object. ---------------------------------------------------

const kinds = { __proto__: null };          // kind -> prototype with its methods
const proxies = new Map();                  // id -> weak reference to its proxy
const times = new Map();                    // id -> how often it came
const WeakRef_ = WeakRef, deref = bind(WeakRef.prototype.deref);
let gone = "";
const forgotten = new FinalizationRegistry((id) => {
  gone += `${gone && " "}${id} ${mapGet(times, id)}`;
  mapDelete(times, id);
  mapDelete(proxies, id);
});
const register = bind(FinalizationRegistry.prototype.register);

function newHandle(kind, id) {
  const known = mapGet(proxies, id), proxy = known && deref(known);
  mapSet(times, id, (proxy ? mapGet(times, id) : 0) + 1);
  if (proxy) return proxy;
  const made = freeze(create(kinds[kind] ?? null));
  weakSet(handles, made, [kind, id]);
  mapSet(proxies, id, new WeakRef_(made));
  register(forgotten, made, id);
  return made;
}

function shownHandle(v) {
  const handle = weakGet(handles, v);
  return handle && `${handle[0]}#${handle[1]}`;
}

// What a program finds. ----------------------------------------------------------------------------

const upper = bind(String.prototype.toUpperCase);
function camel(name) {
  const words = split(name, "_");
  let text = words[0];
  for (let i = 1; i < words.length; i++) text += upper(slice(words[i], 0, 1)) + slice(words[i], 1);
  return text;
}
const namespaces = { __proto__: null };
const hidden = (object, name, value) =>
  own(object, name, value, false);

function handleText() {
  const [kind, id] = weakGet(handles, this) ?? ["handle", 0];
  return `${kind}#${id}`;
}

for (const [name, params, methodOf, role, alias] of surface) {
  const path = name.split(".");
  const verb = path[path.length - 1];
  if (path[0] === "module") continue;
  let f;
  if (role === "output") {
    f = (...texts) => {
      for (let i = 0; i < texts.length; i++) {
        const text = texts[i];
        if (typeof text !== "string" && typeof text !== "number") {
          throw fault({ class: "BadArgument", code: "bad_argument", capability: name, retryable: false,
            message: `${name}: text must be a string, got ${hostKindOf(text)}` }, here());
        }
        write(String_(text));
      }
    };
  } else {
    f = (...args) => call(name, params, args);
  }
  defineProperty(f, "name", { value: name });
  let place = namespaces;
  for (let i = 0; i < path.length - 1; i++) place = place[camel(path[i])] ??= {};
  place[camel(verb)] = f;
  if (alias) hidden(globalThis, camel(alias), f);
  if (methodOf) {
    const kind = (kinds[methodOf] ??= hidden({}, "toString", handleText));
    const method = function (...args) { return f(this, ...args); };
    defineProperty(method, "name", { value: camel(verb) });
    hidden(kind, camel(verb), method);
    if (role === "iterate") {
      hidden(kind, Symbol.asyncIterator, function () {
        return {
          next: async () => {
            const value = await f(this);
            return value === null ? { done: true, value: undefined } : { done: false, value };
          },
          return: async () => {
            if (this.close) await this.close();
            return { done: true, value: undefined };
          },
          [Symbol.asyncIterator]() { return this; },
        };
      });
    }
    if (role === "close") hidden(kind, Symbol.asyncDispose, function () { return f(this); });
  }
}
for (const name in kinds) {
  hidden(kinds[name], "toString", function () { return shownHandle(this) ?? `[${name}]`; });
  kinds[name] = new Proxy(freeze(kinds[name]), {
    set(_, key) { throw new TypeError(`cannot set ${String_(key)}: a handle is read-only`); },
  });
}
for (const name in namespaces) {
  for (const inner in namespaces[name]) {
    if (typeof namespaces[name][inner] === "object") freeze(namespaces[name][inner]);
  }
  hidden(globalThis, name, freeze(namespaces[name]));
}
for (const [name, value] of [["async", async_], ["spawn", spawn], ["parallel", parallel]]) {
  hidden(globalThis, name, value);
}

// The door. ----------------------------------------------------------------------------------------

const entries = new Map();                  // number -> its state
let program = 0;

function ended(entry, ok, value) {
  if (!mapHas(entries, entry)) return;
  let text;
  if (ok) {
    try {
      text = toText(value);
    } catch (e) {
      ok = false;
      value = e instanceof Refused ? new Error_(`the result${e.path} ${e.reason}`) : e;
    }
  }
  mapDelete(entries, entry);
  event(ok ? "done" : "fail", entry, ok ? text : report(value));
}

function settled(entry, ok, value) {
  if (!mapHas(entries, entry)) return;
  if (!ok || entry !== program) ended(entry, ok, value);
  else mapSet(entries, entry, { __proto__: null, over: true, value });
}

// The program has ended when nothing of it goes on.
function finish() {
  const main = mapGet(entries, program);
  if (!main?.over || living || inFlight || mapSize(postponed)) return;
  const failure = lost();
  ended(program, !failure, failure ? failure[1] : main.value);
}

async function run(name, params) {
  const space = await import(name);
  if ("default" in space) return typeof space.default === "function" ? space.default(params) : space.default;
  if (typeof space.main === "function") return space.main(params);
  return space.result;
}

const doors = {
  run(entry, text) {
    const [name, seed, depth, tasks] = parseJson(text);
    maxDepth = depth;
    maxTasks = tasks;
    sow(seed);
    program = entry;
    mapSet(entries, entry, {});
    promiseThen(run(name, globalThis.params), (v) => settled(entry, true, v), (e) => settled(entry, false, e));
  },
  params(_, text) {
    hidden(globalThis, "params", decode(text));
  },
  call(entry, text, name) {
    const f = name[0] === "#" ? functions[slice(name, 1) - 1] : globalThis[camel(name)];
    const own = newScope();
    mapSet(entries, entry, { __proto__: null, own });
    if (typeof f !== "function") return ended(entry, true, null);
    scope = own;
    promiseThen((async () => apply(f, undefined, decode(text)))(), (v) => settled(entry, true, v), (e) => settled(entry, false, e));
  },
  resume(id, text) {
    const state = mapGet(waiting, id);
    if (!state) {
      if (includes(text, '"\\u0000handle"')) decode(text);
      return;
    }
    forget(state);
    behind = state.late;
    scope = state.scope;
    state.over = true;
    const value = decode(text);
    // An error as plain data: who throws it does so where it was made.
    if (value !== null && typeof value === "object" && typeof value.message === "string" && value.type) {
      weakSet(places, value, state.frames);
    }
    state.done(value);
  },
  refuse(id, text) {
    const state = mapGet(waiting, id);
    if (!state) return;
    forget(state);
    behind = state.late;
    scope = state.scope;
    failed(state, fault(decode(text), state.frames, state.what));
  },
  abandon(entry) {
    const own = mapGet(entries, entry)?.own;
    mapDelete(entries, entry);
    if (own) close(own);
  },
  proceed() {},
  later(number) {
    const what = mapGet(postponed, number);
    mapDelete(postponed, number);
    scope = what.scope;
    behind = what.late;
    what.f();
  },
  deadlock(_, text) {
    const told = parseJson(text), alike = new Map(), all = bare([]);
    let frames = bare([]);
    mapEach(waiting, (state, id) => {
      const at = state.frames[0];
      if (at && !frames.length) frames = state.frames;
      const who = `a task ${at ? `at ${at[0]}:${at[1]} ` : ""}${told[id] ?? "waits for a call"}`;
      mapSet(alike, who, (mapGet(alike, who) ?? 0) + 1);
    });
    mapEach(alike, (many, who) => {
      if (all.length < 10) all[all.length] = many > 1 ? `${who} (${many} of them)` : who;
    });
    if (!all.length) all[0] = "the program awaits a promise that nothing settles";
    const e = new Error_(`deadlock: every task waits for another one: ${join(all, "; ")}`);
    weakSet(places, e, frames);
    const failure = lost();
    mapEach(entries, (_, entry) => ended(entry, false, failure ? failure[1] : e));
  },
};

// A message is a line with what to do, a number, a name; and a text.
function door(message) {
  const line = indexOf(message, "\n"), words = split(slice(message, 0, line), " ");
  events.length = 0;
  behind = false;
  scope = null;
  doors[words[0]](+words[1], slice(message, line + 1), words[2]);
}

// The events of a turn, and what is left: the limit that ended it, where the script stands, calls in
// flight. After a trap the frames of the script are still there, and "where" asks for them; "seen"
// and "unseen" tell of a promise that failed.
function collect(what) {
  if (what === "where") return quoteJson(here());
  if (what) {
    const [how, number] = split(what, " ");
    if (how === "unseen") mapSet(unseen, number, reason[0]);
    else mapDelete(unseen, number);
    reason[0] = 0;
    return "";
  }
  if (!mapSize(waiting) || mapGet(entries, program)?.over) finish();
  const first = mapSize(waiting) ? nextOf(valuesOf(waiting)).value : undefined;
  const where = halted.length || !first ? halted : first.frames;
  event("state", mapSize(entries), killed, quoteJson(bare([where, mapSize(waiting), alive])));
  if (gone) event("drop", 0, gone);
  gone = "";
  const text = `[${join(events, ",")}]`;
  events.length = 0;
  return text;
}
