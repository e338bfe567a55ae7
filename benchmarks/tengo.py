"""Tengo beside Lua and JavaScript: the same programs, with limits on; and compiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from llmspell import ChunkCache
from llmspell.engines import engine
from llmspell.engines.base import Busy
from llmspell.limits import Limits

from .row import Row

PROGRAMS = {
    "fib(30)": (
        "fib := func(x) { if x < 2 { return x }; return fib(x-1) + fib(x-2) }\nresult := fib(30)",
        "local function fib(x) if x < 2 then return x end return fib(x-1) + fib(x-2) end "
        "return fib(30)",
        "const fib = (x) => { if (x < 2) return x; return fib(x-1) + fib(x-2); };"
        "export default fib(30);",
    ),
    "5 million times s += i % 7": (
        "s := 0\nfor i := 0; i < 5000000; i++ { s += i % 7 }\nresult := s",
        "local s, i = 0, 0 while i < 5000000 do s = s + i % 7 i = i + 1 end return s",
        "let s = 0; for (let i = 0; i < 5000000; i++) s += i % 7; export default s;",
    ),
    "an array of 300,000, made and summed": (
        "a := []\nfor i := 0; i < 300000; i++ { a = append(a, i) }\ns := 0\n"
        "for v in a { s += v }\nfor i := 0; i < len(a); i++ { a[i] = a[i] + 1 }\nresult := s",
        "local a = {} for i = 0, 299999 do a[#a + 1] = i end local s = 0 "
        "for _, v in ipairs(a) do s = s + v end for i = 1, #a do a[i] = a[i] + 1 end return s",
        "const a = []; for (let i = 0; i < 300000; i++) a.push(i); let s = 0; "
        "for (const v of a) s += v; for (let i = 0; i < a.length; i++) a[i] = a[i] + 1; "
        "export default s;",
    ),
    "a map of 10,000 keys, 30 rounds": (
        'm := {}\nkeys := []\nfor i := 0; i < 10000; i++ { keys = append(keys, "k" + i) }\n'
        "for r := 0; r < 30; r++ { for k in keys { m[k] = r + (m[k] || 0) } }\ns := 0\n"
        "for k, v in m { s += v }\nresult := s",
        'local m, keys = {}, {} for i = 0, 9999 do keys[#keys + 1] = "k" .. i end '
        "for r = 0, 29 do for _, k in ipairs(keys) do m[k] = r + (m[k] or 0) end end "
        "local s = 0 for k, v in pairs(m) do s = s + v end return s",
        'const m = {}, keys = []; for (let i = 0; i < 10000; i++) keys.push("k" + i); '
        "for (let r = 0; r < 30; r++) for (const k of keys) m[k] = r + (m[k] || 0); "
        "let s = 0; for (const k in m) s += m[k]; export default s;",
    ),
    "20,000 pieces of text joined": (
        's := ""\nfor i := 0; i < 20000; i++ { s += "x" + i }\nresult := len(s)',
        'local s = "" for i = 0, 19999 do s = s .. "x" .. i end return #s',
        'let s = ""; for (let i = 0; i < 20000; i++) s += "x" + i; export default s.length;',
    ),
}

LINES = """
f{n} := func(a, b, ...rest) {{
    total := 0
    for i := 0; i < len(rest); i++ {{
        if rest[i] > a && rest[i] != b {{ total += rest[i] * 2 }} else {{ total -= 1 }}
    }}
    m := {{name: "item {n}", list: [1, 2, 3], inner: {{a: a, b: b}}}}
    m.inner.c = m.list[1:]
    return total > 10 ? m.name : "none"
}}
"""
LIMITS = Limits(steps=1_000_000_000, memory=512 * 1024 * 1024)


LANGUAGES = ("tengo", "lua", "javascript")


def _milliseconds(sources: tuple[str, ...]) -> list[float]:
    """Processor time of one program in each language: the fastest of rounds of one run of each."""
    found = []
    for name, source in zip(LANGUAGES, sources, strict=True):
        vm = engine(name)
        found.append((vm, vm.compile(source, "bench"), []))  # type: tuple[Any, Any, list[float]]
    for _ in range(5):
        for vm, chunk, times in found:
            isolate = vm.isolate({}, LIMITS)
            began = process_time()
            answer = isolate.run(1, chunk, b"{}")
            while isinstance(answer, Busy):
                answer = isolate.proceed()
            times.append(process_time() - began)
            assert answer.ended[0].error is None, answer.ended
            isolate.close()
    return [min(times) * 1e3 for _, _, times in found]


def _fastest(work: Callable[[], Any], lines: float) -> float:
    times = []
    for _ in range(9):
        began = process_time()
        work()
        times.append(process_time() - began)
    return min(times) * 1e3 / lines


def _compiling() -> Iterator[Row]:
    """Milliseconds for a hundred lines of a thousand, which are enough to be kept on disk."""
    source = "".join(LINES.format(n=n) for n in range(100))
    vm, lines = engine("tengo"), source.count("\n") / 100
    made = _fastest(lambda: vm.compile(source, "bench"), lines)
    with TemporaryDirectory() as folder:
        ChunkCache(folder=folder).compile(vm, source, "bench")
        found = _fastest(lambda: ChunkCache(folder=folder).compile(vm, source, "bench"), lines)
        kept = ChunkCache(folder=folder)
        kept.compile(vm, source, "bench")
        held = _fastest(lambda: kept.compile(vm, source, "bench"), lines)
    yield Row("100 lines, cold: compiled", made, "ms")
    yield Row("100 lines, warm: found on disk / compiled", found, "ms", made, "1 ms")
    yield Row("100 lines, warm: held by the session / compiled", held, "ms", made, "1 ms")


def measure() -> Iterator[Row]:
    """Two rows a program, beside Lua and beside JavaScript, and those for compiling."""
    targets = {"fib(30)": "110 ms", "5 million times s += i % 7": "300 ms"}
    for what, sources in PROGRAMS.items():
        here, lua, javascript = _milliseconds(sources)
        yield Row(f"{what}: Lua", here, "ms", lua, targets.get(what, "2 times Lua"))
        yield Row(f"{what}: JavaScript", here, "ms", javascript)
    yield from _compiling()
