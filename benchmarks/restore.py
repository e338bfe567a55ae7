"""Checkpoints: what keeping one costs a run, and restoring one beside running again."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator

from llmspell import Checkpoint, Session

from .row import Row

CALLS = 5000
SOURCE = f"local n = 0 for i = 1, {CALLS} do n = n + #time.iso(i) end return n"
WAITS = "local n = 0 for i = 1, 200 do sleep(0.002) n = n + i end return n"
TABLE = """
    local t, n = {}, 0
    for i = 1, 1000 do t["key" .. i] = i end
    for i = 1, 100 do for k, v in pairs(t) do n = n + v end end
    return n
"""


async def timed(source: str, how: str, runs: int = 3) -> float:
    """Milliseconds of the fastest of several runs: plain, kept, in a file, or restored."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.checkpoint")
        async with Session() as session:
            if how == "restored":
                running = session.start(source, keep=path)
                await running.result()
            for _ in range(runs):
                began = time.perf_counter()
                if how == "plain":
                    await session.run(source)
                elif how == "restored":
                    await session.restore(Checkpoint.load(path)).result()
                else:
                    await session.start(source, keep=path if how == "file" else None).result()
                times.append(time.perf_counter() - began)
    return min(times) * 1000


def measure() -> Iterator[Row]:
    plain = asyncio.run(timed(SOURCE, "plain"))
    hows = {
        "kept": "checkpoint in memory / none",
        "file": "checkpoint in a file / none",
        "restored": "restored / run",
    }
    for how, what in hows.items():
        yield Row(f"{CALLS} calls, {what}", asyncio.run(timed(SOURCE, how)), "ms", plain)
    waits = asyncio.run(timed(WAITS, "plain"))
    here = asyncio.run(timed(WAITS, "restored"))
    yield Row("200 sleeps of 2 ms: restored / run", here, "ms", waits)
    plain = asyncio.run(timed(TABLE, "plain"))
    here = asyncio.run(timed(TABLE, "kept"))
    yield Row("pairs over 1000 names, in order / as it comes", here, "ms", plain)
