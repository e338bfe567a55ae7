// What scripts expect of any host of JavaScript and the VM does not have.

let seeds = [1, 2, 3, 4];

// Randomness starts from the seed of the run: xoshiro128**.
function sow(seed) {
  for (let i = 0; i < 4; i++) {
    seed = (seed + 0x9e3779b9) | 0;
    let z = Math.imul(seed ^ (seed >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    seeds[i] = (z ^ (z >>> 15)) >>> 0;
  }
}

const { imul } = Math;
function random32() {
  const turned = imul(seeds[1], 5);
  const result = imul((turned << 7) | (turned >>> 25), 9) >>> 0;
  const t = seeds[1] << 9;
  seeds[2] ^= seeds[0];
  seeds[3] ^= seeds[1];
  seeds[1] ^= seeds[2];
  seeds[0] ^= seeds[3];
  seeds[2] ^= t;
  seeds[3] = (seeds[3] << 11) | (seeds[3] >>> 21);
  return result;
}
hidden(Math, "random", () => (random32() * 2097152 + (random32() >>> 11)) / 9007199254740992);

// Output. ------------------------------------------------------------------------------------------

function shown(v, depth, seen) {
  if (typeof v === "string") return depth ? quoteJson(v) : v;
  if (typeof v === "bigint") return `${v}n`;
  if (typeof v === "symbol") return String_(v);
  if (typeof v === "function") return `[function ${v.name || "anonymous"}]`;
  if (v === null || typeof v !== "object") return v === 0 && 1 / v < 0 ? "-0" : String_(v);
  if (v instanceof Error_) {
    return String_(v);
  }
  const handle = shownHandle(v);
  if (handle) return handle;
  if (v instanceof Promise_) return "[promise]";
  if (v instanceof Date) return isoDate(v);
  if (v instanceof RegExp) return String_(v);
  if (isView(v) && !(v instanceof DataView)) return `${v.constructor.name}(${v.length}) [${join(v, ", ")}]`;
  if (depth > 4) return isArray(v) ? "[...]" : "{...}";
  if (setHas(seen, v)) return "[circular]";
  setAdd(seen, v);
  const parts = bare([]);
  let text;
  if (isArray(v)) {
    for (let i = 0; i < v.length && i < 100; i++) parts[i] = shown(v[i], depth + 1, seen);
    if (v.length > 100) parts[100] = `... ${v.length - 100} more`;
    text = `[${join(parts, ", ")}]`;
  } else if (v instanceof Map) {
    mapEach(v, (item, key) => { parts[parts.length] = `${shown(key, 1, seen)} => ${shown(item, depth + 1, seen)}`; });
    text = `Map {${join(parts, ", ")}}`;
  } else if (v instanceof Set) {
    setEach(v, (item) => { parts[parts.length] = shown(item, depth + 1, seen); });
    text = `Set {${join(parts, ", ")}}`;
  } else {
    const keys = keysOf(v);
    for (let i = 0; i < keys.length; i++) parts[i] = `${keys[i]}: ${shown(v[keys[i]], depth + 1, seen)}`;
    text = parts.length ? `{ ${join(parts, ", ")} }` : "{}";
  }
  setDelete(seen, v);
  return text;
}

function line(values) {
  const parts = bare([]);
  for (let i = 0; i < values.length; i++) parts[i] = shown(values[i], 0, new Set());
  return join(parts, " ");
}

hidden(globalThis, "print", (...values) => write(`${line(values)}\n`));

const { parseInt: parseInt_, parseFloat: parseFloat_, Number: Number_ } = globalThis;
const numeral = (read) => (v) => {
  if (typeof v === "bigint") return `${v}n`;
  return typeof v === "symbol" || (typeof v === "object" && v !== null) ? "NaN" : shown(read(v), 0);
};
const fills = {
  __proto__: null,
  s: (v) => shown(v, 0, new Set()),
  d: numeral((v) => Number_(v)),
  i: numeral((v) => parseInt_(v, 10)),
  f: numeral((v) => parseFloat_(v)),
  j: (v) => quoteJson(v) ?? "undefined",
  o: (v) => shown(v, 1, new Set()),
  O: (v) => shown(v, 1, new Set()),
  c: () => "",
};

// What a console says: places such as %s in a first text are filled as Node fills them.
function said(values) {
  const form = values[0];
  if (values.length < 2 || typeof form !== "string" || !includes(form, "%")) return line(values);
  const parts = bare([]), rest = bare([]), pieces = split(form, "%");
  let used = 1;
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i], fill = i && fills[piece[0]];
    if (!i) parts[i] = piece;
    else if (piece === "" && i + 1 < pieces.length) parts[i] = `%${pieces[++i]}`;
    else if (fill && used < values.length) parts[i] = fill(values[used++]) + slice(piece, 1);
    else parts[i] = `%${piece}`;
  }
  for (let i = used; i < values.length; i++) rest[rest.length] = values[i];
  const text = join(parts, "");
  return rest.length ? `${text} ${line(rest)}` : text;
}

const console = {};
for (const [name, level] of [["log", ""], ["info", ""], ["debug", "debug"], ["warn", "warn"], ["error", "error"], ["trace", "debug"]]) {
  const log = level && namespaces.log?.[level];
  console[name] = log ? (...values) => { log(said(values)); } : (...values) => write(`${said(values)}\n`);
}
console.assert = (fine, ...values) => { if (!fine) console.error(line(["assertion failed", ...values])); };
console.table = console.dir = console.log;
hidden(globalThis, "console", console);

// Timers: a wait of the host each. -----------------------------------------------------------------

const timers = new Map();
let lastTimer = 0;

function arm(id, f, seconds, args, again) {
  const promise = call("time.sleep", ["seconds"], [seconds]);
  mapSet(timers, id, promise);
  promiseThen(promise, () => {
    if (again && mapHas(timers, id)) arm(id, f, seconds, args, true);
    else mapDelete(timers, id);
    const state = newTask();
    try {
      apply(f, undefined, args);
    } catch (e) {
      failed(state, e);
    }
  }, () => mapDelete(timers, id));
}

function timer(who, again) {
  return (f, milliseconds = 0, ...args) => {
    wanted(f, who);
    const seconds = milliseconds > 0 ? milliseconds / 1000 : 0;
    arm(++lastTimer, f, again && seconds < 0.001 ? 0.001 : seconds, args, again);
    return lastTimer;
  };
}

function stopTimer(id) {
  mapGet(timers, id)?.cancel();
  mapDelete(timers, id);
}

hidden(globalThis, "setTimeout", timer("setTimeout", false));
hidden(globalThis, "setInterval", timer("setInterval", true));
hidden(globalThis, "clearTimeout", stopTimer);
hidden(globalThis, "clearInterval", stopTimer);

// Text, copies, aborting. --------------------------------------------------------------------------

class TextEncoder {
  get encoding() { return "utf-8"; }
  encode(text = "") {
    const all = unescape(encodeURIComponent(String_(text).toWellFormed()));
    const bytes = new Bytes(all.length);
    for (let i = 0; i < all.length; i++) bytes[i] = all.charCodeAt(i);
    return bytes;
  }
}

class TextDecoder {
  #fatal;
  constructor(label = "utf-8", { fatal = false } = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder: ${label} is not known; there is utf-8`);
    this.#fatal = fatal;
  }
  get encoding() { return "utf-8"; }
  decode(data = new Bytes(0), { stream = false } = {}) {
    if (stream) throw new TypeError("TextDecoder: stream is not there: join the parts, and decode them at once");
    const bytes = isView(data) ? new Bytes(data.buffer, data.byteOffset, data.byteLength) : new Bytes(data);
    let text = "";
    for (let i = 0; i < bytes.length;) {
      const first = bytes[i++];
      if (first < 128) {
        text += String.fromCharCode(first);
        continue;
      }
      let more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
      let code = first & (more === 1 ? 31 : more === 2 ? 15 : 7), valid = more > 0;
      let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80, high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
      for (; more && valid; more--) {
        if (bytes[i] >= low && bytes[i] <= high) code = (code << 6) | (bytes[i++] & 63);
        else valid = false;
        low = 0x80;
        high = 0xbf;
      }
      if (!valid && this.#fatal) throw new TypeError("TextDecoder: the data is not valid UTF-8");
      text += valid ? String.fromCodePoint(code) : "\ufffd";
    }
    return text[0] === "\ufeff" ? slice(text, 1) : text;
  }
}

function copy(v, seen) {
  if (typeof v === "function" || typeof v === "symbol" || v instanceof Promise_ || v instanceof WeakMap) {
    throw new DOMException(`structuredClone: ${kindOf(v)} cannot be copied`, "DataCloneError");
  }
  if (v === null || typeof v !== "object") return v;
  if (seen.has(v)) return seen.get(v);
  const keep = (made) => (seen.set(v, made), made);
  if (weakGet(handles, v)) return v;
  if (v instanceof Date) return keep(new Date(+v));
  if (v instanceof RegExp) return keep(new RegExp(v.source, v.flags));
  if (v instanceof ArrayBuffer) return keep(v.slice(0));
  if (isView(v)) {
    const buffer = copy(v.buffer, seen);
    return keep(new v.constructor(buffer, v.byteOffset, v.length ?? v.byteLength));
  }
  if (v instanceof Map) {
    const made = keep(new Map());
    v.forEach((item, key) => made.set(copy(key, seen), copy(item, seen)));
    return made;
  }
  if (v instanceof Set) {
    const made = keep(new Set());
    v.forEach((item) => made.add(copy(item, seen)));
    return made;
  }
  let made;
  if (v instanceof Error_) {
    made = keep(create(getPrototypeOf(v)));
    for (const key of ["name", "message", "stack", "cause"]) if (key in v) hidden(made, key, copy(v[key], seen));
  } else {
    made = keep(isArray(v) ? new Array(v.length) : {});
  }
  for (const key of keysOf(v)) {
    defineProperty(made, key, { value: copy(v[key], seen), writable: true, enumerable: true, configurable: true });
  }
  return made;
}

let abortSignal;
class AbortSignal {
  aborted = false;
  reason = undefined;
  onabort = null;
  #listeners = [];
  addEventListener(kind, f) { if (kind === "abort") this.#listeners.push(f); }
  removeEventListener(_, f) { this.#listeners = this.#listeners.filter((other) => other !== f); }
  throwIfAborted() { if (this.aborted) throw this.reason; }
  static #abort = (signal, reason) => {
    if (signal.aborted) return;
    signal.aborted = true;
    signal.reason = reason ?? new DOMException("this was aborted", "AbortError");
    const told = { type: "abort", target: signal };
    signal.onabort?.(told);
    for (const f of signal.#listeners) f.call(signal, told);
  };
  static abort(reason) {
    const signal = new AbortSignal();
    AbortSignal.#abort(signal, reason);
    return signal;
  }
  static timeout(milliseconds) {
    const signal = new AbortSignal();
    const end = () => AbortSignal.#abort(signal, new DOMException("the time is over", "TimeoutError"));
    // The program does not wait for it: it ends something else, if that is still there.
    within(scope, true, () => timer("AbortSignal.timeout", false)(end, milliseconds));
    return signal;
  }
  static any(signals) {
    const signal = new AbortSignal();
    for (const other of signals) {
      const end = () => AbortSignal.#abort(signal, other.reason);
      if (other.aborted) end();
      else other.addEventListener("abort", end);
    }
    return signal;
  }
  static { abortSignal = AbortSignal.#abort; }
}

class AbortController {
  signal = new AbortSignal();
  abort(reason) { abortSignal(this.signal, reason); }
}

// Requests: by the capability that makes them, so that a grant is needed and each is counted. --------

class Headers {
  #all = new Map();
  constructor(init = {}) {
    const pairs = init?.[Symbol.iterator] ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }
  append(name, value) {
    const key = String_(name).toLowerCase(), before = this.#all.get(key);
    this.#all.set(key, before === undefined ? String_(value) : `${before}, ${value}`);
  }
  delete(name) { this.#all.delete(String_(name).toLowerCase()); }
  get(name) { return this.#all.get(String_(name).toLowerCase()) ?? null; }
  has(name) { return this.#all.has(String_(name).toLowerCase()); }
  set(name, value) { this.#all.set(String_(name).toLowerCase(), String_(value)); }
  forEach(f) { for (const [name, value] of this) f(value, name, this); }
  entries() { return [...this.#all].sort((a, b) => (a[0] < b[0] ? -1 : 1)).values(); }
  *keys() { for (const pair of this) yield pair[0]; }
  *values() { for (const pair of this) yield pair[1]; }
  [Symbol.iterator]() { return this.entries(); }
}

class Response {
  #body;
  constructor(body = "", { status = 200, headers = {}, url = "" } = {}) {
    this.#body = body ?? "";
    this.status = status;
    this.ok = status >= 200 && status < 300;
    this.headers = headers instanceof Headers ? headers : new Headers(headers);
    this.url = url;
    this.bodyUsed = false;
  }
  #taken() {
    if (this.bodyUsed) throw new TypeError("Response: the body was read before");
    this.bodyUsed = true;
    return this.#body;
  }
  async bytes() {
    const body = this.#taken();
    return typeof body === "string" ? new TextEncoder().encode(body) : new Bytes(body);
  }
  async arrayBuffer() { return (await this.bytes()).buffer; }
  async text() {
    const body = this.#taken();
    return typeof body === "string" ? body : new TextDecoder().decode(body);
  }
  async json() { return parseJson(await this.text()); }
}

const SENT = { __proto__: null, method: 1, headers: 1, body: 1, redirect: 1, signal: 1 };

function fetch(input, init = {}) {
  const state = newTask();
  try {
    for (const key of keysOf(init)) {
      if (!SENT[key]) throw new TypeError(`fetch: init.${key} is not known; there is ${join(keysOf(SENT), ", ")}`);
    }
    const { method, redirect, signal } = init;
    const headers = new Headers(init.headers ?? {});
    let { body } = init;
    if (body instanceof URLSearchParams) {
      body = String_(body);
      if (!headers.has("content-type")) headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    }
    if (redirect !== undefined && redirect !== "follow" && redirect !== "manual") {
      throw new TypeError(`fetch: init.redirect must be "follow" or "manual", got ${String_(redirect)}`);
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("fetch: init.signal must be an AbortSignal");
    signal?.throwIfAborted();
    const options = { method: method === undefined ? undefined : upper(String_(method)), body: body ?? undefined, follow: redirect !== "manual" };
    if ([...headers].length) options.headers = Object.fromEntries(headers);
    const request = call("http.request", ["url", "options"], [String_(input?.url ?? input), options]);
    signal?.addEventListener("abort", () => request.cancel());
    promiseThen(request, (got) => state.done(new Response(got.body, got)), (e) => state.fail(signal?.aborted ? signal.reason : e));
  } catch (e) {
    failed(state, e);
  }
  return state.promise;
}
if (namespaces.http?.request) hidden(globalThis, "fetch", fetch);

for (const made of [Headers, Response, TextEncoder, TextDecoder, AbortSignal, AbortController, URL, URLSearchParams]) {
  hidden(globalThis, made.name, made);
}
hidden(globalThis, "structuredClone", (v) => copy(v, new Map()));

// What would tell the script of the collector or of time between its waits, or is of no use.
for (const name of ["WeakRef", "FinalizationRegistry", "SharedArrayBuffer", "InternalError"]) delete globalThis[name];
