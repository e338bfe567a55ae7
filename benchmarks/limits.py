"""Limits: how soon a runaway spell stops, and how late others get meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial

from llmspell import Session, StepLimit, TimeLimit, run_sync
from llmspell.limits import PROFILES

from .row import Row, best, pairs

LOOPS = {
    "plain": "while true do end",
    "pcall": "while true do pcall(function() while true do end end) end",
    "coroutine": "coroutine.wrap(function() while true do end end)()",
    "load": "load('while true do end')()",
    "1 MB strings": "while true do local s = ('x'):rep(1000000) end",
}


async def overrun(source: str) -> float:
    """Milliseconds after its limit of 0.3 s at which a loop ended."""
    async with Session(limits={"time": 0.3}) as session:
        began = time.perf_counter()
        result = await session.attempt(source)
        assert isinstance(result.error, TimeLimit), result.error
        return (time.perf_counter() - began - 0.3) * 1000


async def step_error(source: str) -> float:
    """Per cent by which a limit of a million steps was missed."""
    async with Session(limits={"steps": 1_000_000}) as session:
        result = await session.attempt(source)
        assert isinstance(result.error, StepLimit), result.error
        return abs(result.usage.steps - 1_000_000) / 10_000


async def lateness(sources: list[str]) -> float:
    """Milliseconds by which 10 ms timers of a second session are late, at worst."""
    ticks = """
        local worst, last = 0, time.now()
        while time.now() < params.stop do
          sleep(0.01)
          local now = time.now()
          worst, last = math.max(worst, now - last - 0.01), now
        end
        return worst
    """
    async with Session(limits={"time": 1.0}) as busy, Session() as other:
        running = [asyncio.create_task(busy.attempt(source)) for source in sources]
        result = await other.run(ticks, {"stop": time.time() + 0.9})
        await asyncio.gather(*running)
        return float(result.value) * 1000


async def calm() -> float:
    """The same with nothing else running."""
    return await lateness([])


FIB = """
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
return fib(27)
"""
TABLES = """
local sum = 0
for i = 1, 60000 do
  local t = { i, i + 1, name = i }
  sum = sum + t[1] + t.name + #t
end
return sum
"""
"""Both within the million steps of the profile strict, which fib(30) is not."""


def plain(source: str) -> float:
    """Milliseconds in plain lupa."""
    import lupa.lua54

    runtime = lupa.lua54.LuaRuntime()
    return best(lambda: runtime.execute(source), 3) * 1000


def bounded(source: str, profile: str) -> float:
    """Milliseconds of processor time of the script within the limits of a profile."""
    return min(run_sync(source, limits=profile).usage.cpu for _ in range(3)) * 1000


def overheads() -> Iterator[Row]:
    for name, source in (("fib(27)", FIB), ("a loop with tables", TABLES)):
        for profile in PROFILES:
            here, peer = pairs(partial(bounded, source, profile), partial(plain, source), 5)
            yield Row(f"{name} with limits {profile} / plain lupa", here, "ms", peer, "< 2.5 times")


def measure() -> Iterator[Row]:
    yield from overheads()
    for name, source in LOOPS.items():
        late = asyncio.run(overrun(source))
        yield Row(f"runaway loop ({name}) ends after its time limit", late, "ms", None, "< 100 ms")
    for name in ("plain", "pcall", "coroutine", "load"):
        missed = asyncio.run(step_error(LOOPS[name]))
        yield Row(f"runaway loop ({name}) misses its step limit by", missed, "%", None, "< 1 %")
    idle = asyncio.run(calm())
    for name, source in LOOPS.items():
        late = asyncio.run(lateness([source]))
        yield Row(f"10 ms timers beside a loop ({name}) / beside nothing", late, "ms", idle,
                  "< 30 ms")  # fmt: skip
    late = asyncio.run(lateness(list(LOOPS.values())))
    yield Row("10 ms timers beside all of these loops / beside nothing", late, "ms", idle)
