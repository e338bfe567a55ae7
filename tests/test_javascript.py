"""JavaScript and TypeScript: what the conformance table does not ask."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

import llmspell
from llmspell.engines import engine
from llmspell.engines.typescript import blanked
from llmspell.errors import ScriptRuntimeError, ScriptSyntaxError, TimeLimit, UsageError

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


def test_endless_recursion_ends_the_run_and_says_where() -> None:
    error = failure("function f(n) {\n  return f(n + 1) + 1;\n}\nf(1)")
    assert "stack overflow" in error.message and error.frames[0][1:] == (2, "f")


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
        export default [...out, typeof require, typeof process, typeof fetch, typeof WeakRef];
        """
    ) == ["every", "late", "aborted", "https://ex.com/a/x?q=1&r=a%20b#h", "a b", 2, "grüße 😀",
          "undefined", "undefined", "undefined", "undefined"]  # fmt: skip


def test_a_program_or_module_may_be_empty() -> None:
    assert run("") is None
    assert run("import './a.js'; export default 1", modules={"a": ""}) == 1


def test_modules_are_imported_through_the_host() -> None:
    modules = {"lib.a": "export const x = 5; export default (y) => x + y"}
    assert run('import f, {x} from "./lib/a.js"; export default f(x)', modules=modules) == 10
    assert run('export default (await import("./lib/a.js")).x', modules=modules) == 5
    assert run('import llm from "llmspell:llm"; export default llm === globalThis.llm') is True
    error = failure('\nimport x from "./nowhere.js"')
    assert (error.code, error.line) == ("not_found", 2)


def test_a_process_of_its_own_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot work in a process of its own"):
        llmspell.run_sync("1", engine="javascript", level="untrusted")


def test_lua_starts_without_it() -> None:
    told = "import sys, llmspell; llmspell.run_sync('return 1'); print('wasmtime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_versions_name_what_runs() -> None:
    assert "quickjs-rs 0." in engine("javascript").version
