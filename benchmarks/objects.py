"""Handles and records: a call on a handle, making one, and a field of a plain table; promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from llmspell import Session

from .row import Row, best

COUNT = 20_000

CHAIN = """
    local p = promise.resolve(0)
    for i = 1, COUNT do p = p:next(function(v) return v + 1 end) end
    return p:await()
"""

BATCH = """
    local list = {}
    for i = 1, COUNT do list[i] = function() return i end end
    parallel(list, {limit = 10})
"""


def per_item(source: str, count: int = COUNT, engine: str = "lua") -> float:
    """Microseconds of one of `count` items the source goes through."""

    def work() -> None:
        session = Session(engine=engine, limits={"calls": None, "time": None, "memory": None})
        session.run_sync(source.replace("COUNT", str(count)))

    empty = best(lambda: Session(engine=engine).run_sync("return 1"))
    return max(0.0, best(work, 3) - empty) / count * 1e6


def futures(count: int) -> float:
    """Microseconds of waiting for a bare asyncio future."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            future = loop.create_future()
            future.set_result(1)
            await asyncio.wait_for(future, None)

    began = time.perf_counter()
    asyncio.run(main())
    return (time.perf_counter() - began) / count * 1e6


def measure() -> Iterator[Row]:
    plain = per_item("local c = channel.make(1) for i = 1, COUNT do time.now() end")
    method = per_item("local c = channel.make(1) for i = 1, COUNT do c:len() end")
    yield Row("a method of a handle / a plain capability", method, "us", plain, "< 1.5 times")
    field = per_item("local r, x = {len = 1} for i = 1, COUNT do x = r.len end", 2_000_000)
    yield Row("a field of a record, which is a plain table / that call", field, "us", method)
    made = per_item("local c for i = 1, COUNT do c = channel.make(1) end")
    record = per_item('local r for i = 1, COUNT do r = json.decode(\'{"capacity":1,"len":0}\') end')
    yield Row("making a handle and letting go of it / getting a record", made, "us", record)
    for engine in ("lua", "lua55", "luajit"):
        cost = per_item(CHAIN, 50_000, engine)
        what = f"one link of a chain of promises, {engine} / an asyncio future"
        yield Row(what, cost, "us", futures(COUNT))
    cost = per_item(BATCH, 50_000)
    yield Row("an item of a batch with a limit / an asyncio future", cost, "us", futures(COUNT))
