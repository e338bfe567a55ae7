"""Host calls: one, several at once, and thousands of waiting sessions."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path

from llmspell import Session
from llmspell.capability import CATALOGUE, capability
from llmspell.host.context import Context
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.testing.servers import ModelServer

from .row import Row

SESSIONS, CALLS, NAP = 1000, 10, 0.05


def resident() -> float:
    """Kilobytes of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4.0


async def parallel_models(server: ModelServer) -> Row:
    local = ProviderSettings("openai_compatible", server.url + "/v1")
    source = """
        local function ask() return llm.generate("hi", {model = "local/slow-50"}) end
        local began = time.now()
        parallel{ask, ask, ask}
        return time.now() - began
    """
    async with Session(settings=Settings(providers={"local": local})) as session:
        times = [(await session.run(source)).value for _ in range(12)]
    began = time.perf_counter()
    await asyncio.gather(*(asyncio.sleep(NAP) for _ in range(3)))
    bare = time.perf_counter() - began
    best = sorted(times)[len(times) // 2]
    return Row("3 model calls of 50 ms in parallel, real HTTP / 3 sleeps", best * 1000, "ms",
               bare * 1000, "< 70 ms")  # fmt: skip


async def many_sessions() -> tuple[Row, Row]:
    source = f"for i = 1, {CALLS} do sleep({NAP}) end return 'done'"
    async with Session() as session:
        await session.run(source)
        gc.collect()
        before, peak = resident(), 0.0

        async def watch() -> None:
            nonlocal peak
            while True:
                peak = max(peak, resident())
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        began = time.perf_counter()
        await asyncio.gather(*(session.run(source) for _ in range(SESSIONS)))
        here = time.perf_counter() - began
        watching.cancel()

    async def bare() -> None:
        for _ in range(CALLS):
            await asyncio.sleep(NAP)

    began = time.perf_counter()
    await asyncio.gather(*(bare() for _ in range(SESSIONS)))
    peer = time.perf_counter() - began
    what = f"{SESSIONS} spells x {CALLS} calls of 50 ms / bare asyncio tasks"
    return (
        Row(what, here, "s", peer, "< 1.2 s"),
        Row("memory of one of them while it waits", (peak - before) / SESSIONS, "KB", None,
            "< 100 KB"),
    )  # fmt: skip


async def round_trip() -> Iterator[Row]:
    if "time.probe" not in CATALOGUE:

        @capability("time.probe", since="0.1")
        def probe(ctx: Context, text: str) -> str:
            """Gives back what it got.

            text: anything.
            returns: the same.
            """
            return text

        @capability("time.probe_async", since="0.1")
        async def probe_async(ctx: Context, text: str) -> str:
            """Gives back what it got, later.

            text: anything.
            returns: the same.
            """
            return text

    from llmspell.engines.base import Signature
    from llmspell.runtime.catalogue import signatures

    names = signatures()
    names["time.probe"] = names["time.probe_async"] = Signature(("text",))  # type: ignore[index]
    rows, count = [], 20_000
    for name, kind in (("probe", "at once"), ("probe_async", "as a task")):
        source = f"local f = time.{name} for i = 1, {count} do f('x') end"
        async with Session(limits={"calls": None}) as session:
            times = []
            for _ in range(5):
                began = time.process_time()
                await session.run(source)
                times.append((time.process_time() - began) / count * 1e6)
        rows.append((kind, min(times)))

    async def echo(text: str) -> str:
        return text

    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(count):
            await asyncio.create_task(echo("x"))
        times.append((time.process_time() - began) / count * 1e6)
    return iter(
        Row(f"host call round trip, answered {kind} / bare asyncio task", cost, "us", min(times),
            "< 25 us")
        for kind, cost in rows
    )  # fmt: skip


def measure() -> Iterator[Row]:
    yield from asyncio.run(round_trip())
    yield from asyncio.run(many_sessions())
    with ModelServer() as server:
        yield asyncio.run(parallel_models(server))
