"""JavaScript and TypeScript: what the conformance table does not ask."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import perf_counter, process_time, sleep

import pytest

import llmspell
from llmspell.engines import engine
from llmspell.engines.javascript_sources import ended as end_of_entry
from llmspell.engines.typescript import blanked
from llmspell.errors import (
    BadArgument,
    Denied,
    IsolationError,
    MemoryLimit,
    ScriptRuntimeError,
    ScriptSyntaxError,
    StackLimit,
    TimeLimit,
)
from llmspell.limits import Limits
from llmspell.runtime.catalogue import CATALOGUE, names
from llmspell.runtime.chunk_files import ChunkFiles
from llmspell.runtime.gate import Gate
from llmspell.values import decode

TYPED = """\
interface Order {
  id: number;
}
import type { Other } from "./other.ts";
type Id = Order["id"];
abstract class Shop<T extends Order> implements Iterable<T> {
  private readonly items: T[] = [];
  declare kept: string;
  constructor(this: Shop<T>, first?: T) {}
  abstract close(): void;
  public async find<K extends keyof T>(key: K, ...rest: any[]): Promise<T[K]> {
    return this.items[0]![key] as T[K];
  }
}
const pick = (order: Order): {
  id: number
} => ({ id: order.id satisfies number });
function isOrder(x: unknown): x is Order { return (x as Order).id !== undefined; }
export default function main(params: { n: number }): number {
  const shown: Order   = { id: params.n! };
  if (!isOrder(shown)) throw new Error("no order");
  return pick(shown).id + 1;
}
"""


def run(source: str, **given: object) -> object:
    return llmspell.run_sync(source, engine=given.pop("engine", "javascript"), **given).value  # type: ignore[arg-type]


def failure(source: str, **given: object) -> llmspell.LlmspellError:
    with pytest.raises(llmspell.LlmspellError) as caught:
        run(source, **given)
    return caught.value


def test_types_become_blanks_and_nothing_moves() -> None:
    code = blanked(TYPED, "shop.ts")
    assert [len(line) for line in code.split("\n")] == [len(line) for line in TYPED.split("\n")]
    assert "interface" not in code and "Promise<" not in code
    assert run(TYPED, engine="typescript", params={"n": 4}) == 5


@pytest.mark.parametrize(
    "source",
    [
        "enum E { A }",
        "namespace N { export const x = 1; }",
        "class C { constructor(private x: number) {} }",
    ],
)
def test_what_is_code_in_typescript_is_refused_with_its_line(source: str) -> None:
    error = failure("\n" + source, engine="typescript")
    assert isinstance(error, ScriptSyntaxError) and error.line == 2


@pytest.mark.parametrize(
    "source",
    [
        "function f() {\n  return 1;",
        "f(1, 2",
        "const x = {a: 1",
        "const x =",
        "class A {",
        "for (;;",
    ],
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_what_is_not_closed_is_told_in_words_of_its_own_program(source: str, end: str) -> None:
    error = failure(source + end)
    assert isinstance(error, ScriptSyntaxError)
    told = (error.message, error.line)
    assert told == ("unexpected end of the program", (source + end).count("\n") + 1)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("break", "break must be inside loop or switch"),
        ("print(`a", "unexpected end of string"),
        ("try { }", "expecting catch or finally"),
    ],
)
def test_what_else_is_wrong_at_the_end_is_told_as_it_is(source: str, message: str) -> None:
    assert failure(source).message == message


def test_errors_of_typescript_point_into_its_source(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_text(
        "interface A {\n  x: number;\n}\nfunction f(a: A): number {\n"
        "  throw new Error(`no ${a!.x}`);\n}\nf({ x: 1 });\n"
    )
    with pytest.raises(ScriptRuntimeError) as caught:
        llmspell.run_sync(path)
    assert [(f.line, f.function) for f in caught.value.frames] == [(5, "f"), (7, "")]
    assert caught.value.source_line == "  throw new Error(`no ${a!.x}`);"


@pytest.mark.parametrize(
    "source",
    [
        "for (;;);",
        "try { for (;;); } catch {} finally { for (;;); }",
        "/(a+)+$/.test('a'.repeat(50) + 'b')",
        "function f() { Promise.resolve().then(f); } f(); await sleep(60)",
        "const a = []; a.length = 4294967295; a.indexOf(7)",
        "async function f() { for (;;) try { for (;;); } catch {} } f()",
    ],
)
def test_time_ends_what_does_not_end(source: str) -> None:
    began = perf_counter()
    assert isinstance(failure(source, limits={"time": 0.2}), TimeLimit)
    assert perf_counter() - began < 10
    assert run("export default 6 * 7") == 42


@pytest.mark.parametrize(
    "source",
    [
        "function f(n) {\n  return f(n + 1) + 1;\n}\ntry { f(1) } finally { print('on') }",
        "const f = () =>\n[1].map(f);\ntry { f() } catch { print('on') }",
        "class A { constructor() {\nnew A(); } }\ntry { new A() } catch { print('on') }",
        "try {\nJSON.parse('['.repeat(1e5)) } catch { print('on') }",
        "async function f() {\nawait f(); }\nf().catch(print); await sleep(0.01); print('on')",
    ],
)
def test_endless_recursion_is_a_limit_nobody_catches(source: str) -> None:
    result = llmspell.Session(engine="javascript").attempt_sync(source)
    assert type(result.error) is StackLimit and result.output == ""
    assert result.error.exit_code == 9 and result.error.line == 2
    assert run("export default 6 * 7") == 42


@pytest.mark.parametrize(
    ("source", "told", "line"),
    [
        ("async function f() {\n  throw new Error('x');\n}\nf();", "x", 2),
        ("async function f() {\n  await sleep(0.001);\n  null.x;\n}\nf();", "property 'x'", 3),
        ("Promise.resolve(1).then(() => {\n  throw new Error('x');\n});", "x", 2),
        ("const p = Promise.reject('no'); p.catch(() => {}); p.then(print);", "no", 0),
        ("Promise.any([Promise.reject('no')]);", "AggregateError", 0),
        ("setTimeout(async () => {\n  throw new Error('x'); }, 1); await sleep(0.02);", "x", 2),
        ("new Promise((_, no) => no(10n ** 30n));", "bigint", 0),
        ("const p = fs.read('x'); new Promise(() => {}).then(() => p);\nawait sleep(0.02)", "x", 1),
    ],
)
def test_a_promise_that_fails_unseen_ends_the_run(source: str, told: str, line: int) -> None:
    error = failure(source + "\nexport default 'fine';")
    assert told in error.message and error.line == line


@pytest.mark.parametrize(
    "source",
    [
        "const p = (async () => { throw 1; })(); await sleep(0.01); try { await p } catch { }",
        "const all = []; for (let i = 0; i < 3000; i++) all.push((async () => { throw i; })());\n"
        "await Promise.allSettled(all);",
        "await Promise.any([Promise.reject(1), Promise.reject(2)]).catch(() => {});",
        "await Promise.race([Promise.reject(1), Promise.reject(2)]).catch(() => {});",
        "const s = sleep(5); (async () => await s)(); s.cancel();",
        "try { await import('./nowhere.js') } catch { }",
        "async function* g() { throw 1; } try { for await (const _ of g()); } catch { }",
        "const p = Promise.reject(1); await sleep(0.01); p.catch(() => {});",
    ],
)
def test_a_failure_somebody_saw_is_none(source: str) -> None:
    assert run(source + "\nexport default 'fine';") == "fine"


def test_promises_that_fail_unseen_without_end_are_a_limit_and_take_no_memory_of_the_host() -> None:
    error = failure("const why = {}; for (;;) Promise.reject(why);", limits={"time": 60})
    assert isinstance(error, MemoryLimit)
    kept = "const all = []; for (let i = 0; i < 50000; i++) all.push(Promise.reject('a' + i));"
    assert run(f"{kept} export default (await Promise.allSettled(all))[49999].reason") == "a49999"


def test_an_error_made_by_the_host_is_thrown_where_it_was_made() -> None:
    error = failure(
        "\nconst f = async () => {\n  throw await errors.create('bad order');\n};\nawait f();"
    )
    assert (error.message, error.line) == ("bad order", 3)


@pytest.mark.parametrize(
    "text",
    [
        '{"\\u0000bytes":"zz"}',
        '{"\\u0000bytes":5}',
        '{"\\u0000handle":"stream"}',
        '{"\\u0000handle":["stream",true]}',
        '{"\\u0000handle":[5,5]}',
    ],
)
def test_what_a_vm_tells_is_not_trusted(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text.encode())
    with pytest.raises(ValueError):
        decode(b'{"\\u0000function":"1"}', lambda number, args: None)  # type: ignore[arg-type,return-value]
    ended = end_of_entry(1, text.encode())
    assert isinstance(ended.error, ScriptRuntimeError) and "is no value" in ended.error.message
    gate = Gate(CATALOGUE, lambda number, args: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(BadArgument):
        gate.fit_arguments(CATALOGUE["fs.write"], f"[{text}]".encode())


def test_a_busy_script_does_not_stall_the_loop() -> None:
    async def main() -> float:
        async with llmspell.Session(engine="javascript", limits={"time": 1}) as session:
            busy = [asyncio.create_task(session.run("for (;;);")) for _ in range(3)]
            rounds, end = 0, perf_counter() + 0.6
            while perf_counter() < end:
                await asyncio.sleep(0.01)
                rounds += 1
            done = await asyncio.gather(*busy, return_exceptions=True)
            assert all(isinstance(error, TimeLimit) for error in done)
            return rounds

    assert asyncio.run(main()) > 5


def test_what_does_not_end_is_stopped_in_every_session() -> None:
    """Sessions that offer other names have VMs of another image: one clock counts for all."""

    async def main() -> None:
        for features in ("llm", "log", "llm"):
            async with llmspell.Session(engine="javascript", features=features) as session:
                ended = await session.attempt("for (;;) {}", limits={"time": 0.2})
            assert isinstance(ended.error, TimeLimit)

    asyncio.run(main())
    for _ in range(10):
        began = process_time()
        sleep(1)
        if process_time() - began < 0.02:
            return
    pytest.fail("a script goes on after its end")


def test_the_same_seed_gives_the_same_numbers() -> None:
    async def main(seed: int) -> object:
        async with llmspell.Session(engine="javascript", seed=seed) as session:
            return (await session.run("export default [Math.random(), Math.random()]")).value

    assert asyncio.run(main(5)) == asyncio.run(main(5)) != asyncio.run(main(6))


def test_what_hosts_of_javascript_have() -> None:
    assert run(
        """
        const out = [];
        setTimeout(() => out.push("late"), 30);
        const every = setInterval(() => { out.push("every"); clearInterval(every); }, 1);
        await sleep(0.2);
        const stop = new AbortController();
        stop.signal.addEventListener("abort", () => out.push("aborted"));
        stop.abort();
        const url = new URL("../x?q=1&r=a b#h", "https://Ex.com:443/a/b/c");
        out.push(url.href, url.searchParams.get("r"));
        out.push(structuredClone(new Map([[1, {a: 2}]])).get(1).a);
        out.push(new TextDecoder().decode(new TextEncoder().encode("grüße 😀")));
        export default [...out, typeof require, typeof globalThis.process?.env, typeof WeakRef];
        """
    ) == ["every", "late", "aborted", "https://ex.com/a/x?q=1&r=a%20b#h", "a b", 2, "grüße 😀",
          "undefined", "undefined", "undefined"]  # fmt: skip


LANGUAGE = """
const out = {};
out.es2023 = [[3,1,2].toSorted(), [1,2].toReversed(), [1,2,3].with(1, 9),
  [1,2,3].findLast(n => n < 3), [1,2,3,4].toSpliced(1,2), [1,2].at(-1),
  Object.hasOwn({a:1},"a"), "a-b-a".replaceAll("a","c")];
class A { #x = 1; static #n = 2; static { this.made = A.#n; } get x() { return this.#x; }
  static has(o) { return #x in o; } }
out.classes = [new A().x, A.made, A.has(new A()), A.has({})];
function* three() { const told = yield 1; yield told * 2; return 5; }
const g = three();
out.generators = [g.next().value, g.next(21).value, g.next().value, g.next().done];
async function* slow() { for (let i = 0; i < 3; i++) { await sleep(0.001); yield i; } }
out.iterated = []; for await (const n of slow()) out.iterated.push(n);
out.bigint = String(2n ** 100n % 1000007n);
try {
  try { throw new Error("inner"); } catch (e) { throw new Error("outer", {cause: e}); }
} catch (e) { out.cause = e.cause.message; }
const clone = structuredClone({d: new Date(5), m: new Map([[1, new Set([2])]]),
  a: new Uint8Array([1, 2])});
out.clone = [clone.d.getTime(), [...clone.m.get(1)], clone.a[1]];
const loop = {}; loop.me = loop; out.circle = structuredClone(loop).me.me !== loop;
out.order = []; queueMicrotask(() => out.order.push("micro")); out.order.push("now"); await null;
out.text = [...new TextEncoder().encode("é")].join();
out.decoded = new TextDecoder().decode(new Uint8Array([0xe2, 0x82, 0xac]));
const t = setTimeout(() => out.order.push("never"), 1); clearTimeout(t);
const stop = new AbortController(); stop.abort("why");
out.abort = [stop.signal.aborted, stop.signal.reason];
out.now = [typeof performance.now(), performance.now() >= 0];
out.optional = [null?.x ?? "none", (() => { let a; a ??= 3; a ||= 4; a &&= 5; return a; })()];
out.label = `${[1, , 3].length}${String.raw`\\n`}`;
out.regexp = ["2026-11-23".match(/(?<year>\\d{4})-(?<month>\\d\\d)/).groups.year,
  [..."aXbX".matchAll(/X/g)].length, /(?<=a)b/.test("ab"), /\\p{L}/u.test("é")];
out.dynamic = Object.keys(await import("llmspell:json")).join();
out.none = [typeof require, typeof process.env, typeof module, typeof Deno, typeof WebAssembly];
{ await using held = { async [Symbol.asyncDispose]() { out.disposed = true; } }; }
console.log("told", {a: 1}, [1n]); console.error("bad"); console.warn("w");
console.info("i"); console.debug("d");
export default out;
"""


SAID = """
console.log("%s is %d, %i, %f %o %% %j %c|",
  "Ada", 36.5, 36.7, "1.5x", {a: 1}, {b: 2}, "css", "rest", 1);
console.log("100%", 5); console.log("%s"); console.log("%d%%", 50); console.log("%x %s %s", 1);
console.log("%%%s", 1); console.log("a%", "b"); console.log("%d %i", 10n, {});
console.log({}, "%s"); print("%s", 1);
"""


def test_a_console_fills_the_places_of_a_text() -> None:
    """As Node does: what stands here is what it prints."""
    lines = llmspell.Session(engine="javascript").run_sync(SAID).output.splitlines()
    assert lines == [
        'Ada is 36.5, 36, 1.5 { a: 1 } % {"b":2} | rest 1', "100% 5", "%s", "50%", "%x 1 %s",
        "%1", "a% b", "10n NaN", "{} %s", "%s 1",
    ]  # fmt: skip


def test_the_language_is_that_of_2023_with_what_hosts_have() -> None:
    result = llmspell.Session(engine="javascript").attempt_sync(LANGUAGE)
    assert result.error is None
    assert result.value == {
        "es2023": [[1, 2, 3], [2, 1], [1, 9, 3], 2, [1, 4], 2, True, "c-b-c"],
        "classes": [1, 2, True, False],
        "generators": [1, 42, 5, True],
        "iterated": [0, 1, 2],
        "bigint": str(2**100 % 1000007),
        "cause": "inner",
        "clone": [5, [2], 2],
        "circle": True,
        "order": ["now", "micro"],
        "text": "195,169",
        "decoded": "€",
        "abort": [True, "why"],
        "now": ["number", True],
        "optional": ["none", 5],
        "label": "3\\n",
        "regexp": ["2026", 2, True, True],
        "dynamic": "decode,default,encode",
        "none": ["undefined"] * 5,
        "disposed": True,
    }
    assert result.output == "told { a: 1 } [1n]\ni\n"


@pytest.mark.parametrize(
    "source",
    [
        "const all = []; for (;;) all.push({ n: [1, 2, 3] });",
        "const all = []; for (;;) all.push(('x'.repeat(1e6) + all.length).toUpperCase());",
        "const all = []; for (;;) all.push(new Uint8Array(1 << 20));",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, () => i);",
        "const all = []; for (;;) all.push(new Promise(() => {}));",
        "const f = () => { Promise.resolve().then(f); Promise.resolve().then(f); }; f();"
        " await sleep(60)",
        "const l = []; try { for (;;) l.push('x'.repeat(1e6) + l.length) } catch { for (;;); }",
        "const l = [], big = 3n ** 100000n; for (;;) l.push(big + BigInt(l.length));",
        "async function f() { await Promise.all([f(), f()]); } await f();",
    ],
)
def test_what_takes_ever_more_memory_ends_and_the_next_spell_is_fine(source: str) -> None:
    error = failure(source, limits={"memory": "20MB", "time": 120})
    assert isinstance(error, MemoryLimit | StackLimit)
    assert isinstance(error, MemoryLimit) or "f()" in source
    assert run("export default 6 * 7") == 42


class Echo(BaseHTTPRequestHandler):
    """Tells what it was asked; /slow takes 30 s, unless whoever asked has gone."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        if self.path == "/slow":
            readable, _, _ = select.select([self.connection], [], [], 30)
            self.server.gone.append(bool(readable))  # type: ignore[attr-defined]
            return
        told = {"path": self.path, "method": self.command, "x": self.headers.get("x-a")}
        answer = json.dumps({**told, "body": body}).encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *told: object) -> None:
        """Says nothing."""


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.gone = []  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetched(source: str, server: ThreadingHTTPServer, *allow: str) -> object:
    address = f"127.0.0.1:{server.server_port}"
    source = source.replace("URL/", f"http://{address}/")
    return run(source, allow=[grant.replace("HERE", address) for grant in allow])


def test_fetch_is_a_request_of_ours(echo: ThreadingHTTPServer) -> None:
    assert fetched(
        """
        const a = await fetch("URL/a?b=c");
        const told = await a.json();
        let twice;
        try { await a.text(); } catch (e) { twice = e.message; }
        const headers = {"X-A": "1"};
        const b = await fetch(new URL("URL/none"), {method: "put", headers, body: "hi"});
        const sent = new TextEncoder().encode("bytes");
        const c = await fetch("URL/c", {method: "POST", body: sent});
        const bytes = new Uint8Array(await c.arrayBuffer());
        export default [
          a.status, a.ok, a.headers.get("Content-Type"), told.path, told.method, twice,
          b.status, b.ok, await b.json(), JSON.parse(new TextDecoder().decode(bytes)).body,
        ];
        """,
        echo,
        "net:HERE",
    ) == [
        *(200, True, "application/json", "/a?b=c", "GET", "Response: the body was read before"),
        *(404, False, {"path": "/none", "method": "PUT", "x": "1", "body": "hi"}, "bytes"),
    ]


@pytest.mark.parametrize(
    ("signal", "name"),
    [
        ("(() => { const c = new AbortController(); setTimeout(() => c.abort(), 50);"
         " return c.signal; })()", "AbortError"),
        ("AbortSignal.timeout(1500)", "TimeoutError"),
        ("AbortSignal.any([AbortSignal.timeout(9000), AbortSignal.timeout(1500)])", "TimeoutError"),
        ("AbortSignal.abort()", "AbortError"),
    ],
)  # fmt: skip
def test_a_signal_ends_a_request_in_flight(
    echo: ThreadingHTTPServer, signal: str, name: str
) -> None:
    source = """
        let e;
        await fetch("URL/first");
        try { await fetch("URL/slow", {signal: SIGNAL}); } catch (caught) { e = caught; }
        export default e.name;
    """.replace("SIGNAL", signal)
    began = perf_counter()
    assert fetched(source, echo, "net:HERE") == name
    assert perf_counter() - began < 20
    if name == "TimeoutError":
        end = perf_counter() + 20
        while not echo.gone and perf_counter() < end:  # type: ignore[attr-defined]
            sleep(0.01)
        assert echo.gone == [True]  # type: ignore[attr-defined]


def test_a_timeout_that_is_not_reached_keeps_nobody(echo: ThreadingHTTPServer) -> None:
    began = perf_counter()
    source = "export default (await fetch('URL/a', {signal: AbortSignal.timeout(60000)})).ok"
    assert fetched(source, echo, "net:HERE") is True
    assert perf_counter() - began < 30


def test_fetch_needs_a_grant_and_refuses_what_it_does_not_know(echo: ThreadingHTTPServer) -> None:
    with pytest.raises(Denied, match="allow it with --allow net"):
        run("await fetch('https://example.com/')", level="untrusted")
    with pytest.raises(Denied, match="is not a public address"):
        fetched("await fetch('URL/a')", echo, "net:*")
    with pytest.raises(ScriptRuntimeError, match="there is method"):
        fetched("await fetch('URL/a', {mode: 'cors'})", echo, "net:HERE")


def test_a_function_the_host_gave_up_makes_no_further_call() -> None:
    source = """
        globalThis.work = async () => {
          try { await sleep(60); } finally { await fs.write("x", "never"); }
        };
        await sleep(60);
    """
    chosen = engine("javascript")
    isolate = chosen.isolate(names(()), Limits())
    (waits,) = isolate.run(1, chosen.compile(source, "spell"), b"{}").calls
    (sleeps,) = isolate.call(2, "work", b"[]").calls
    assert (waits.name, sleeps.name) == ("time.sleep", "time.sleep")
    answer = isolate.abandon(2)
    assert answer.cancelled == [sleeps.id] and not answer.calls and not answer.ended
    assert not isolate.resume(sleeps.id, b"null").calls
    assert [ended.entry for ended in isolate.resume(waits.id, b"null").ended] == [1]
    isolate.close()


def test_a_program_or_module_may_be_empty() -> None:
    assert run("") is None
    assert run("import './a.js'; export default 1", modules={"a": ""}) == 1


def test_modules_are_imported_through_the_host() -> None:
    modules = {"lib.a": "export const x = 5; export default (y) => x + y"}
    assert run('import f, {x} from "./lib/a.js"; export default f(x)', modules=modules) == 10
    assert run('export default (await import("./lib/a.js")).x', modules=modules) == 5
    assert run('import llm from "llmspell:llm"; export default llm === globalThis.llm') is True
    named = (
        'import {exec} from "llmspell:process"; import {pool, generate as ask} from "llmspell:llm";'
    )
    assert run(
        f"{named} export default [exec === process.exec, pool === llm.pool, typeof ask]"
    ) == [
        True,
        True,
        "function",
    ]
    assert run(
        'import * as w from "llmspell:workflow"; export default w.import === workflow.import'
    )
    error = failure('\nimport x from "./nowhere.js"')
    assert (error.code, error.line) == ("not_found", 2)


TREE = {
    "main.js": "import a from './sub/a.js'; import i from './dir'; import j from './idx';"
    "import self from './main.js'; import inner from './inner.js';"
    "export default () => [a, i, j, typeof self, inner];",
    "sub/a.js": "import b from './b.js'; import c from '../c.js'; export default [b, c];",
    "sub/b.js": "export default 'sub/b';",
    "b.js": "export default 'not this';",
    "c.js": "export default 'c';",
    "dir/init.js": "import x from './x.js'; export default x;",
    "dir/x.js": "export default 'dir/x';",
    "x.js": "export default 'not this';",
    "idx/index.js": "import x from './x.js'; export default x;",
    "idx/x.js": "export default 'idx/x';",
    "lib/inner.js": "import o from './other.js'; export default o;",
    "lib/other.js": "export default 'lib/other';",
    "other.js": "export default 'not this';",
}


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize(
    ("source", "line", "told"),
    [
        ('generate();\nimport { generat } from "llmspell:llm";', 2, "did you mean generate?"),
        ('import llm, {\n  complete,\n  generat as g,\n} from "llmspell:llm";', 3, "no generat;"),
        ('import { a } from "./own.js";\nimport {\n  b } from "./own.js";', 3, "/own.js'"),
        ('const own = 1;\nimport whole from "./own.js";', 2, "'default'"),
    ],
)
def test_a_name_that_a_module_lacks_is_told_where_it_is_imported(
    isolation: str, source: str, line: int, told: str, tmp_path: Path
) -> None:
    (tmp_path / "own.js").write_text("export const a = 1;")
    (tmp_path / "spell.js").write_text(source)
    session = llmspell.Session(isolation=isolation, folder=tmp_path)
    error = session.attempt_sync(tmp_path / "spell.js").error
    assert isinstance(error, ScriptRuntimeError)
    assert (Path(error.file).name, error.line) == ("spell.js", line)
    assert told in error.message


@pytest.mark.parametrize("suffix", ["js", "ts"])
def test_what_is_imported_is_beside_its_importer(tmp_path: Path, suffix: str) -> None:
    for name, text in TREE.items():
        path = tmp_path / name.replace(".js", f".{suffix}")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(".js", f".{suffix}"))
    value = llmspell.run_sync(tmp_path / f"main.{suffix}").value
    assert value == [["sub/b", "c"], "dir/x", "idx/x", "function", "lib/other"]


def test_a_module_is_one_however_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "one.js").write_text("print('loaded'); export default {};")
    (tmp_path / "main.js").write_text(
        "import a from './one.js'; import b from 'lib.one'; import c from './lib/one.js';\n"
        "export default a === b && b === c;"
    )
    result = llmspell.run_sync(tmp_path / "main.js")
    assert (result.value, result.output) == (True, "loaded\n")


def test_an_import_that_failed_can_be_caught_and_says_why() -> None:
    source = """
        let e;
        try { await import('./%s.js') } catch (x) { e = x }
        export default [e.code, e.message]"""
    modules = {"bad": "export default 1;\nlet = = 3;"}
    assert run(source % "nowhere") == [
        "not_found", "there is no module nowhere: looked beside the spell and in its lib/ folder"
    ]  # fmt: skip
    code, message = run(source % "bad", modules=modules)  # type: ignore[misc]
    assert (code, message[:35]) == ("syntax", "cannot load module 'bad.js': bad:2:")


def test_a_spell_nobody_reviewed_works_in_a_process_of_its_own() -> None:
    result = llmspell.Session(engine="typescript", level="untrusted").attempt_sync(
        "const n: number = 6; const now = Date.now(); export default [n * 7, now > 1e12];"
    )
    assert result.value == [42, True]
    assert not result.isolation["seccomp"] and not result.isolation["process"]
    # Landlock holds the thread that enters it, and the VM works in another: that is said.
    assert "other threads" in result.isolation["landlock"]
    with pytest.raises(IsolationError, match="landlock"):
        llmspell.Session(engine="javascript", level="untrusted", require=["landlock"]).run_sync("1")


def test_the_engine_of_javascript_takes_typescript_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "spell.ts"
    path.write_text("const n: number = 4; export default n;")
    assert llmspell.run_sync(path, engine="javascript", level="untrusted").value == 4


FIRST = "import llmspell\nprint(llmspell.run_sync('export default 1', engine='javascript').value)"


def kept(folder: Path) -> Path:
    """The one image in a folder of caches, made by a process of its own."""
    environment = {**os.environ, "LLMSPELL_CACHE": str(folder)}
    for note in ("note: preparing JavaScript for its first use\n", ""):
        done = subprocess.run(
            [sys.executable, "-c", FIRST], capture_output=True, text=True, env=environment
        )
        assert (done.stdout, done.stderr) == ("1\n", note)
    (path,) = folder.glob("*.image")
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def test_a_prepared_vm_is_kept_and_a_forged_one_is_never_run(tmp_path: Path) -> None:
    path = kept(tmp_path)
    store = ChunkFiles(str(tmp_path))
    name = bytes.fromhex(path.stem)
    good = store.load_image(name)
    assert good is not None and store.held().files == 1
    whole = path.read_bytes()
    other = ChunkFiles(str(tmp_path / "other"))
    other.store_image(name, good)
    forged = [
        whole[:-1] + bytes([whole[-1] ^ 1]),
        whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
        whole[:-100],
        good,
        (tmp_path / "other" / path.name).read_bytes(),  # signed with another key
    ]
    for data in forged:
        path.write_bytes(data)
        assert store.load_image(name) is None
    path.write_bytes(whole)
    os.replace(path, path.with_stem("0" * 64))  # a good one under the name of another
    assert store.load_image(b"\0" * 32) is None
    os.replace(path.with_stem("0" * 64), path)
    for mode, readable in ((0o622, False), (0o600, True)):
        path.chmod(mode)
        assert (store.load_image(name) is not None) is readable
    tmp_path.chmod(0o777)
    assert store.load_image(name) is None
    tmp_path.chmod(0o700)
    # What is forged is not run but made again.
    path.write_bytes(forged[0])
    kept(tmp_path)
    assert store.load_image(name) is not None
    assert store.clear() == 1 and not path.exists()


def test_a_cache_that_is_off_keeps_nothing(tmp_path: Path) -> None:
    for level in ("trusted", "untrusted"):
        done = subprocess.run(
            [sys.executable, "-c", FIRST.replace("'javascript'", f"'javascript', level='{level}'")],
            capture_output=True,
            text=True,
            env={**os.environ, "LLMSPELL_CACHE": "off", "HOME": str(tmp_path)},
        )
        assert done.stdout == "1\n", done.stderr
    assert not list(tmp_path.rglob("*.image"))


def test_lua_starts_without_it() -> None:
    told = "import sys, llmspell; llmspell.run_sync('return 1'); print('wasmtime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_versions_name_what_runs() -> None:
    assert "quickjs-rs 0." in engine("javascript").version


def test_an_error_of_typescript_names_the_column_of_its_source() -> None:
    source = (
        "type Name = { first: string };\n"
        "function fail(name: Name, times: number): never { throw new Error(name.first); }\n"
        "let stack = '';\n"
        "try { fail({ first: 'x' } as Name, 1); }\n"
        "catch (e: unknown) { stack = (e as Error).stack!; }\n"
        "export default stack;\n"
    )
    stack = llmspell.run_sync(source, engine="typescript").value
    column = source.splitlines()[1].index("Error(") + 1
    assert stack.split("\n")[:2] == [f"    at fail (spell:2:{column})", "    at spell:4:7"]


def test_a_handle_is_closed_at_the_end_of_its_block() -> None:
    source = """
    let kept;
    { await using s = await llm.stream("one two"); kept = s; await s.next(); }
    let code;
    try { await kept.next(); } catch (e) { code = e.code; }
    export default code;
    """
    assert llmspell.run_sync(source, engine="javascript", model="test").value == "closed"


def test_parts_of_addresses_are_set_as_parts() -> None:
    assert run(
        """
        const url = new URL("http://a.com/b?x=1#h");
        const out = [];
        const set = (name, text) => { url[name] = text; out.push(url.href); };
        set("pathname", ".evil.com/x");
        set("pathname", "y z?");
        set("hash", "y");
        set("hash", "");
        set("search", "a=1&a=2&b=3");
        out.push(url.searchParams.has("a", "3"), url.searchParams.has("a", "2"));
        url.searchParams.delete("a", "1");
        out.push(url.href, new URLSearchParams({a: String.fromCharCode(0xd800)}).toString());
        try { new TextDecoder().decode(new Uint8Array([226]), {stream: true}); }
        catch (e) { out.push(e.name); }
        export default out;
        """
    ) == [
        "http://a.com/.evil.com/x?x=1#h",
        "http://a.com/y%20z%3F?x=1#h",
        "http://a.com/y%20z%3F?x=1#y",
        "http://a.com/y%20z%3F?x=1",
        "http://a.com/y%20z%3F?a=1&a=2&b=3",
        False,
        True,
        "http://a.com/y%20z%3F?a=2&b=3",
        "a=%EF%BF%BD",
        "TypeError",
    ]
