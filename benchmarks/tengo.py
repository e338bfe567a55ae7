"""Tengo beside Lua: the same programs on the same engine, with limits on; and compiling."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryDirectory
from time import perf_counter

from llmspell import ChunkCache
from llmspell.engines import engine
from llmspell.engines.base import Busy
from llmspell.limits import Limits

from .row import Row, best

PROGRAMS = {
    "fib(30)": (
        "fib := func(x) { if x < 2 { return x }; return fib(x-1) + fib(x-2) }\nresult := fib(30)",
        "local function fib(x) if x < 2 then return x end return fib(x-1) + fib(x-2) end "
        "return fib(30)",
    ),
    "5 million times s += i % 7": (
        "s := 0\nfor i := 0; i < 5000000; i++ { s += i % 7 }\nresult := s",
        "local s, i = 0, 0 while i < 5000000 do s = s + i % 7 i = i + 1 end return s",
    ),
    "an array of 300,000, made and summed": (
        "a := []\nfor i := 0; i < 300000; i++ { a = append(a, i) }\ns := 0\n"
        "for v in a { s += v }\nfor i := 0; i < len(a); i++ { a[i] = a[i] + 1 }\nresult := s",
        "local a = {} for i = 0, 299999 do a[#a + 1] = i end local s = 0 "
        "for _, v in ipairs(a) do s = s + v end for i = 1, #a do a[i] = a[i] + 1 end return s",
    ),
    "a map of 10,000 keys, 30 rounds": (
        'm := {}\nkeys := []\nfor i := 0; i < 10000; i++ { keys = append(keys, "k" + i) }\n'
        "for r := 0; r < 30; r++ { for k in keys { m[k] = r + (m[k] || 0) } }\ns := 0\n"
        "for k, v in m { s += v }\nresult := s",
        'local m, keys = {}, {} for i = 0, 9999 do keys[#keys + 1] = "k" .. i end '
        "for r = 0, 29 do for _, k in ipairs(keys) do m[k] = r + (m[k] or 0) end end "
        "local s = 0 for k, v in pairs(m) do s = s + v end return s",
    ),
    "20,000 pieces of text joined": (
        's := ""\nfor i := 0; i < 20000; i++ { s += "x" + i }\nresult := len(s)',
        'local s = "" for i = 0, 19999 do s = s .. "x" .. i end return #s',
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


def _seconds(name: str, source: str) -> float:
    vm = engine(name)
    chunk = vm.compile(source, "bench")
    fastest = 1e9
    for _ in range(3):
        isolate = vm.isolate({}, LIMITS)
        began = perf_counter()
        answer = isolate.run(1, chunk, b"{}")
        while isinstance(answer, Busy):
            answer = isolate.proceed()
        fastest = min(fastest, perf_counter() - began)
        assert answer.ended[0].error is None, answer.ended
        isolate.close()
    return fastest


def _compile_milliseconds() -> tuple[float, float]:
    """For a hundred lines, of a program of a thousand: compiled, and found on disk."""
    source = "".join(LINES.format(n=n) for n in range(100))
    vm = engine("tengo")
    lines = source.count("\n") / 100
    made = best(lambda: vm.compile(source, "bench"), 3)
    with TemporaryDirectory() as folder:
        ChunkCache(folder=folder).compile(vm, source, "bench")
        found = best(lambda: ChunkCache(folder=folder).compile(vm, source, "bench"), 3)
    return made * 1e3 / lines, found * 1e3 / lines


def measure() -> Iterator[Row]:
    """One row a program, and one for compiling."""
    targets = {"fib(30)": "110 ms", "5 million times s += i % 7": "300 ms"}
    for what, (ours, theirs) in PROGRAMS.items():
        here, peer = _seconds("tengo", ours) * 1e3, _seconds("lua", theirs) * 1e3
        yield Row(what, here, "ms", peer, targets.get(what, "2 times Lua"))
    made, found = _compile_milliseconds()
    yield Row("100 lines found in the chunk cache / compiled", found, "ms", made, "1 ms")
