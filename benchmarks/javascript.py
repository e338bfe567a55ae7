"""JavaScript: the first spell of a process, contexts, calls, waiting spells, computing."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from llmspell import Session, run_sync
from llmspell.engines import engine
from llmspell.engines.base import Engine
from llmspell.limits import Limits
from llmspell.runtime.catalogue import names

from .row import Row, best

FIRST = "import llmspell; print(llmspell.run_sync('{}', engine='{}').value)"
FIB = {
    "javascript": "const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); export default fib(30);",
    "lua": "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end"
    " return fib(30)",
}
CALLS = {
    "javascript": "for (let i = 0; i < 1000; i++) await time.now();",
    "lua": "for i = 1, 1000 do time.now() end",
}
WAITING, TICK = 500, 0.01


def held() -> float:
    """Megabytes of this process; pages that spells share count once."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


def first(source: str, name: str) -> float:
    """Seconds a process takes for one spell."""
    command = [sys.executable, "-c", FIRST.format(source, name)]
    return best(lambda: subprocess.run(command, check=True, capture_output=True))


def context(chosen: Engine) -> float:
    """Seconds for a new isolate."""
    bound = names(())
    return best(lambda: chosen.isolate(bound, Limits()).close(), 50)


async def waiting() -> Row:
    async with Session(engine="javascript") as session:
        await session.run("await sleep(0)")
        gc.collect()
        before = held()
        runs = [asyncio.create_task(session.run("await sleep(5)")) for _ in range(WAITING)]
        await asyncio.sleep(4)
        taken = held() - before
        await asyncio.gather(*runs)
    return Row(f"{WAITING} waiting spells hold", taken, "MB", None, "< 100 MB")


async def lateness() -> Row:
    """How late the loop's timers are while three spells compute."""
    async with Session(engine="javascript", limits={"time": 1.5}) as session:
        await session.run("1")
        runs = [asyncio.create_task(session.run("for (;;);")) for _ in range(3)]
        worst, end = 0.0, time.perf_counter() + 1
        while time.perf_counter() < end:
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            worst = max(worst, time.perf_counter() - began - TICK)
        await asyncio.gather(*runs, return_exceptions=True)
    return Row("10 ms timers beside three endless loops are late by", worst * 1000, "ms", None,
               "< 30 ms")  # fmt: skip


def measure() -> Iterator[Row]:
    run_sync("1", engine="javascript")
    yield Row("first spell of a process / in Lua", first("export default 1", "javascript") * 1000,
              "ms", first("return 1", "lua") * 1000, "< 150 ms")  # fmt: skip
    yield Row("a new context / a Lua state", context(engine("javascript")) * 1000, "ms",
              context(engine("lua")) * 1000, "< 2 ms")  # fmt: skip
    calls = {name: best(partial(run_sync, source, engine=name)) for name, source in CALLS.items()}
    yield Row("a host call and back / in Lua", calls["javascript"], "ms", calls["lua"], "< 0.6 ms")
    fib = {name: best(partial(run_sync, source, engine=name)) for name, source in FIB.items()}
    yield Row("fib(30) / in Lua with limits", fib["javascript"] * 1000, "ms", fib["lua"] * 1000,
              "< 250 ms")  # fmt: skip
    yield asyncio.run(waiting())
    yield asyncio.run(lateness())
