"""The chunk cache and loading: compiling against finding, eager against lazy."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from llmspell import ChunkCache, Session
from llmspell.engines import engine
from llmspell.host import sources
from llmspell.runtime import cache as caches

from .row import Row, best

FUNCTION = """t[{i}] = function(a, b)
  local s = 0
  for k = 1, a do s = s + k * {i} end -- a sum
  if s > b then return 'more' .. s else return {{ s, b }} end
end
"""

NEW = """
import sys, time
from llmspell import ChunkCache
from llmspell.engines import engine
from llmspell.runtime import cache
cache.ON_DISK = 0
lua, source = engine("lua"), open(sys.argv[1]).read()
lua.compile("return 1", "warm")
began = time.perf_counter()
ChunkCache(folder=sys.argv[2] or None).compile(lua, source, "spell")
print((time.perf_counter() - began) * 1000)
"""

START = """
import sys, time
from llmspell import Session
began = time.perf_counter()
session = Session(model="test/offline", preload=sys.argv[1].split())
made = time.perf_counter()
session.run_sync(sys.argv[2])
print((made - began) * 1000, (time.perf_counter() - made) * 1000)
"""


def program(lines: int) -> str:
    return "local t = {}\n" + "".join(FUNCTION.format(i=i) for i in range(lines // 5)) + "return #t"


def fresh(code: str, *args: str, runs: int = 7) -> list[float]:
    """Medians of what a fresh process prints."""
    found = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
        )
        found.append([float(word) for word in done.stdout.split()])
    return [median(column) for column in zip(*found, strict=True)]


def compiling(lines: int, folder: str) -> Iterator[Row]:
    lua, source = engine("lua"), program(lines)
    cold = best(lambda: lua.compile(source, "spell"), 9) * 1000
    cache = ChunkCache()
    cache.compile(lua, source, "spell")
    count = 1000

    def find() -> None:
        for _ in range(count):
            cache.compile(lua, source, "spell")

    here = best(find) / count * 1e6
    yield Row(f"{lines} lines, found in memory / compiled", here, "us", cold * 1000)
    caches.ON_DISK = 0  # the smallest too, to show why they are not kept
    ChunkCache(folder=folder).compile(lua, source, "spell")

    def load() -> None:
        assert ChunkCache(folder=folder).compile(lua, source, "spell").source is source

    yield Row(f"{lines} lines, found on disk / compiled", best(load, 9) * 1000, "ms", cold)


def in_new_processes(lines: int, folder: str) -> Row:
    path = Path(folder) / f"{lines}.lua"
    path.write_text(program(lines))
    fresh(NEW, str(path), folder, runs=1)
    (disk,), (none,) = fresh(NEW, str(path), folder), fresh(NEW, str(path), "")
    return Row(f"{lines} lines in a new process, found on disk / compiled", disk, "ms", none)


def files(folder: str) -> Iterator[Row]:
    path = Path(folder) / "file.lua"
    path.write_text(program(1000))
    time.sleep(sources.SETTLED / 1e9)
    own = sources.Sources()

    def repeated(work: Callable[[], object]) -> float:
        return best(lambda: [work() for _ in range(200)]) / 200 * 1e6

    own.now(str(path))
    yield Row("1000 lines, an unchanged file looked at / read",
              repeated(lambda: own.now(str(path))), "us",
              repeated(lambda: path.read_text()))  # fmt: skip


def starts() -> Iterator[Row]:
    for preload, source in (
        ("full", "return 1"),
        ("data", "return fs.exists('x')"),
        ("full", "return llm.generate('hi')"),
    ):
        (made, ran), (lazy_made, lazy_ran) = fresh(START, preload, source), fresh(START, "", source)
        told = source.removeprefix("return ").partition("(")[0]
        yield Row(f"session that preloads {preload} / lazy", made, "ms", lazy_made)
        yield Row(f"... and its first run, of {told} / lazy", ran, "ms", lazy_ran)


def sessions() -> Row:
    """A run of 1000 lines in a long-lived session, against one whose cache forgets everything."""
    source = program(1000)
    keeps, forgets = Session(cache=ChunkCache()), Session(cache=ChunkCache(max_entries=0))
    for session in (keeps, forgets):
        session.run_sync(source)
    return Row("run of 1000 lines, kept / compiled each time",
               best(lambda: keeps.run_sync(source), 15) * 1000, "ms",
               best(lambda: forgets.run_sync(source), 15) * 1000)  # fmt: skip


def measure() -> Iterator[Row]:
    kept = caches.ON_DISK
    with tempfile.TemporaryDirectory() as folder:
        yield sessions()
        yield from files(folder)
        for lines in (10, 1000, 5000):
            yield in_new_processes(lines, folder)
        for lines in (10, 1000, 5000):
            yield from compiling(lines, str(Path(folder) / "chunks"))
    caches.ON_DISK = kept
    yield from starts()
