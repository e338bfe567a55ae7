"""A pool of isolates: hello with and without, and bursts of spells, each beside the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from llmspell import Session
from llmspell.engines import engine

from .row import Row, best

HELLO = "return 'hello'"
WORK = "sleep(0.01) return params.n"
BURST = 1000
SESSION = Session()


async def hello(pool: dict[str, Any] | None, isolation: str, runs: int = 50) -> float:
    """Milliseconds of the fastest of several runs with a pause between them."""
    times = []
    async with Session(pool=pool, isolation=isolation) as session:
        for _ in range(runs):
            await asyncio.sleep(0.005)
            began = time.perf_counter()
            await session.run(HELLO)
            times.append(time.perf_counter() - began)
    return min(times) * 1000


async def burst(pool: dict[str, Any] | None, spells: int = BURST) -> tuple[float, float]:
    """Milliseconds until the first of many spells has ended, and until all have."""
    async with Session(pool=pool) as session:
        await session.run(HELLO)
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        first: list[float] = []

        async def one(n: int) -> int:
            result = await session.run(WORK, {"n": n})
            first.append(time.perf_counter() - began)
            return int(result.value)

        total = sum(await asyncio.gather(*(one(n) for n in range(spells))))
        if total != spells * (spells - 1) // 2:
            raise AssertionError(total)
        return first[0] * 1000, (time.perf_counter() - began) * 1000


async def handed_out(session: Session) -> float:
    """Milliseconds to take one that is ready, health check included."""
    assert session.pool is not None
    lua, times = session.default_engine(), []
    async with session:
        for _ in range(20):
            await asyncio.sleep(0.005)
            began = time.perf_counter()
            taken = session.pool.take(lua, session.limits)
            times.append(time.perf_counter() - began)
            if taken is not None:
                taken[0].close()
    return min(times) * 1000


def made() -> None:
    engine("lua").isolate(SESSION.names, SESSION.limits).close()


def measure() -> Iterator[Row]:
    ready = asyncio.run(handed_out(Session(pool={"min": 4, "max": 8})))
    yield Row("taking a Lua isolate that is ready / making one", ready, "ms", best(made, 30) * 1000)
    pool = {"min": 4, "max": 100}
    for isolation in ("none", "process"):
        here = asyncio.run(hello(pool, isolation))
        peer = asyncio.run(hello(None, isolation))
        yield Row(f"hello, isolation {isolation}: warm pool / none", here, "ms", peer)
    for most in (100, BURST):
        pool = {"min": min(most, 100), "max": most, "timeout": None}
        first, last = asyncio.run(burst(pool))
        peer_first, peer_last = asyncio.run(burst(None))
        what = f"{BURST} spells at once, at most {most} at a time / no pool"
        yield Row(f"{what}: the first", first, "ms", peer_first)
        yield Row(f"{what}: all", last, "ms", peer_last)
