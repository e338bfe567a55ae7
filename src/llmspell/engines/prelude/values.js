// The text form of values: written and read inside the VM. What is needed later is captured
// first: a script may change every built-in of its own world.

const { parse: parseJson, stringify: quoteJson } = JSON;
const { isArray } = Array;
const { keys: keysOf, getPrototypeOf, setPrototypeOf, defineProperty, freeze, create } = Object;
const { isSafeInteger, isFinite: isFiniteNumber, isInteger } = Number;
const bind = Function.prototype.call.bind.bind(Function.prototype.call);
const wellFormed = bind(String.prototype.isWellFormed);
const toWellFormed = bind(String.prototype.toWellFormed);
const startsWith = bind(String.prototype.startsWith);
const includes = bind(String.prototype.includes);
const slice = bind(String.prototype.slice);
const indexOf = bind(String.prototype.indexOf);
const split = bind(String.prototype.split);
const valuesOf = bind(Map.prototype.values);
const nextOf = bind(new Map().values().next);
const join = bind(Array.prototype.join);
const sort = bind(Array.prototype.sort);
const test = bind(RegExp.prototype.test);
const replace = bind(String.prototype.replace);
const mapGet = bind(Map.prototype.get);
const mapSet = bind(Map.prototype.set);
const mapDelete = bind(Map.prototype.delete);
const mapHas = bind(Map.prototype.has);
const mapSize = bind(Object.getOwnPropertyDescriptor(Map.prototype, "size").get);
const mapEach = bind(Map.prototype.forEach);
const weakGet = bind(WeakMap.prototype.get);
const weakSet = bind(WeakMap.prototype.set);
const weakHas = bind(WeakMap.prototype.has);
const seenHas = bind(WeakSet.prototype.has), seenAdd = bind(WeakSet.prototype.add);
const isoDate = bind(Date.prototype.toISOString);
const setEach = bind(Set.prototype.forEach);
const setHas = bind(Set.prototype.has), setAdd = bind(Set.prototype.add);
const setDelete = bind(Set.prototype.delete);
const { isView } = ArrayBuffer;
const { apply, construct } = Reflect;
const Bytes = Uint8Array, Buffer_ = ArrayBuffer, Promise_ = Promise, Error_ = Error, String_ = String;

// A list without prototype: no setter and no toJSON of the script sees what is put into it.
const bare = (list) => setPrototypeOf(list, null);

// Gives an object a property of its own, whatever setters the script has made.
const own = (object, name, value, enumerable = true) =>
  defineProperty(object, name, { __proto__: null, value, writable: true, enumerable, configurable: true });

const MAX_NODES = 100000;
const MAX_INT = 2n ** 63n - 1n, MIN_INT = -(2n ** 63n);

let maxDepth = 32;
const functions = [];                       // those that crossed, by number
const functionIds = new WeakMap();
const handles = new WeakMap();              // proxy -> [kind, id]

const hexDigits = [];
for (let i = 0; i < 256; i++) hexDigits[i] = (i < 16 ? "0" : "") + i.toString(16);

function toHex(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += hexDigits[bytes[i]];
  return text;
}

function fromHex(text) {
  const bytes = new Bytes(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(slice(text, 2 * i, 2 * i + 2), 16);
  return bytes;
}

class Refused {
  constructor(path, reason) {
    this.path = path;
    this.reason = reason;
  }
}

function refuse(way, reason) {
  let path = "";
  for (let i = 0; i < way.length; i++) {
    path += typeof way[i] === "number" ? `[${way[i] + 1}]` : `.${way[i]}`;
  }
  throw new Refused(path, reason);
}

function numberText(v, way) {
  if (isSafeInteger(v)) return v === 0 && 1 / v < 0 ? "-0.0" : String_(v);
  if (!isFiniteNumber(v)) refuse(way, "is not a finite number");
  const text = String_(v);
  return isInteger(v) && !includes(text, "e") ? text + ".0" : text;
}

function keyText(key, way) {
  if (typeof key !== "string") refuse(way, `has a ${typeof key} as key, and keys must be strings`);
  if (key[0] === "\0") refuse(way, "has a key that starts with NUL");
  if (!wellFormed(key)) refuse(way, "has a key that is not valid UTF-8");
  return quoteJson(key);
}

// A writer of one value: it knows the way to where it is, and what it is inside of.
function writer() {
  const way = bare([]), inside = new Set();
  let nodes = 0;

  function writeMap(keys, get) {
    const parts = bare([]);
    sort(keys);
    for (let i = 0; i < keys.length; i++) {
      const value = get(keys[i]);
      if (value === undefined) continue;
      const name = keyText(keys[i], way);
      way[way.length] = keys[i];
      parts[parts.length] = `${name}:${write(value)}`;
      way.length--;
    }
    return `{${join(parts, ",")}}`;
  }

  function writeList(list) {
    const parts = bare([]);
    for (let i = 0; i < list.length; i++) {
      if (!(i in list)) refuse(way, "is a list with holes");
      way[way.length] = i;
      parts[i] = write(list[i]);
      way.length--;
    }
    return `[${join(parts, ",")}]`;
  }

  function writeObject(v) {
    if (way.length >= maxDepth) refuse(way, `is nested too deep (more than ${maxDepth} levels)`);
    if (setHas(inside, v)) refuse(way, "contains itself");
    setAdd(inside, v);
    let text;
    if (isArray(v)) {
      text = writeList(v);
    } else if (v instanceof Map) {
      const all = bare([]);
      mapEach(v, (_, key) => { keyText(key, way); all[all.length] = key; });
      text = writeMap(all, (key) => mapGet(v, key));
    } else if (v instanceof Set) {
      const all = bare([]);
      setEach(v, (item) => { all[all.length] = item; });
      text = writeList(all);
    } else if (v instanceof Error_) {
      const told = told_error(v);
      text = writeMap(keysOf(told), (key) => told[key]);
    } else {
      text = writeMap(keysOf(v), (key) => v[key]);
    }
    setDelete(inside, v);
    return text;
  }

  function write(v) {
    if (++nodes > MAX_NODES) refuse(way, `is one of more than ${MAX_NODES} values`);
    switch (typeof v) {
      case "string":
        if (!wellFormed(v)) refuse(way, "is not valid UTF-8");
        return quoteJson(v);
      case "number": return numberText(v, way);
      case "boolean": return v ? "true" : "false";
      case "undefined": return "null";
      case "bigint":
        if (v > MAX_INT || v < MIN_INT) refuse(way, "is an integer of more than 64 bits");
        return String_(v);
      case "symbol": return refuse(way, "is a symbol, which cannot cross");
      case "function": {
        let id = weakGet(functionIds, v);
        if (id === undefined) {
          id = functions.length + 1;
          functions[id - 1] = v;
          weakSet(functionIds, v, id);
        }
        return `{"\\u0000function":${id}}`;
      }
    }
    if (v === null) return "null";
    const handle = weakGet(handles, v);
    if (handle) return `{"\\u0000handle":["${handle[0]}",${handle[1]}]}`;
    if (v instanceof Promise_) refuse(way, "is a promise: await it first");
    if (v instanceof Buffer_) v = new Bytes(v);
    if (isView(v)) {
      const bytes = new Bytes(v.buffer, v.byteOffset, v.byteLength);
      return `{"\\u0000bytes":"${toHex(bytes)}"}`;
    }
    if (v instanceof Date) return quoteJson(isoDate(v));
    return writeObject(v);
  }

  return write;
}

// Gives the text of one value. Raises Refused.
function toText(v) {
  return writer()(v);
}

const LARGE = /[0-9]{16}/;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/g;

// Integers beyond 2^53 become BigInt: JSON.parse would round them.
function markLarge(text) {
  return replace(text, TOKENS, (token) => {
    if (token[0] === '"' || token.length < 16 || test(/[.eE]/, token)) return token;
    return isSafeInteger(+token) ? token : `{"\\u0000integer":"${token}"}`;
  });
}

function revive(v) {
  if (v === null || typeof v !== "object") return v;
  if (isArray(v)) {
    for (let i = 0; i < v.length; i++) v[i] = revive(v[i]);
    return v;
  }
  const keys = keysOf(v);
  if (keys.length === 1 && keys[0][0] === "\0") {
    const content = v[keys[0]];
    switch (keys[0]) {
      case "\0integer": return BigInt(content);
      case "\0bytes": return fromHex(content);
      case "\0handle": return newHandle(content[0], content[1]);
      case "\0function": return functions[content - 1];
    }
  }
  for (let i = 0; i < keys.length; i++) {
    const item = v[keys[i]];
    if (item !== null && typeof item === "object") {
      own(v, keys[i], revive(item));
    }
  }
  return v;
}

// Reads the text form. The host made the text, so it is well formed.
function decode(text) {
  const large = test(LARGE, text);
  const value = parseJson(large ? markLarge(text) : text);
  return large || includes(text, '"\\u0000') ? revive(value) : value;
}
