// The calls through which every effect leaves, the tasks of a script, and what a program finds.

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
  const textOf = writer();                         // one for all, which counts what is in them
  let text = "";
  for (let i = 0; i < args.length; i++) {
    try {
      text += `${i ? "," : ""}${textOf(args[i])}`;
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
            if (this[Symbol.asyncDispose]) await this[Symbol.asyncDispose]();
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
