// The door: takes the messages of the host, and gives the events of a turn.

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
