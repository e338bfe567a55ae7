"""Channels: messages from task to task, and many tasks that each send one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

from llmspell import Session

from .row import Row

MESSAGES, TASKS = 10_000, 1_000

BETWEEN = f"""
    local numbers = channel.make(params.capacity)
    async(function()
      for i = 1, {MESSAGES} do numbers:send(i) end
      numbers:close()
    end)
    local sum = 0
    for n in numbers do sum = sum + n end
    return sum
"""

EACH_ONE = f"""
    local numbers = channel.make()
    for i = 1, {TASKS} do async(function() numbers:send(i) end) end
    local sum = 0
    for i = 1, {TASKS} do sum = sum + numbers:receive() end
    return sum
"""

SHARED = f"""
    local numbers = channel.open("numbers", 100)
    if params.sends then
      for i = 1, {MESSAGES} do numbers:send(i) end
      numbers:close()
      return 0
    end
    local sum = 0
    for n in numbers do sum = sum + n end
    return sum
"""


async def queue_between(capacity: int) -> int:
    numbers: asyncio.Queue[int] = asyncio.Queue(max(1, capacity))

    async def produce() -> None:
        for i in range(1, MESSAGES + 1):
            await numbers.put(i)

    producing = asyncio.create_task(produce())
    total = 0
    for _ in range(MESSAGES):
        total += await numbers.get()
    await producing
    return total


async def queue_each_one() -> int:
    numbers: asyncio.Queue[int] = asyncio.Queue(1)
    tasks = [asyncio.create_task(numbers.put(i)) for i in range(1, TASKS + 1)]
    total = 0
    for _ in tasks:
        total += await numbers.get()
    await asyncio.gather(*tasks)
    return total


async def fastest(work: Callable[[], Awaitable[int]], wanted: int, runs: int = 5) -> float:
    """Milliseconds of processor time of the fastest of several runs; each must give `wanted`."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        total = await work()
        times.append(time.process_time() - began)
        if total != wanted:
            raise AssertionError(f"got {total}, not {wanted}")
    return min(times) * 1000


async def rows() -> list[Row]:
    limits = {"calls": None, "tasks": None}
    total, small = MESSAGES * (MESSAGES + 1) // 2, TASKS * (TASKS + 1) // 2
    found = []
    async with Session(limits=limits) as session:

        async def run(source: str, capacity: int = 0) -> int:
            result = await session.run(source, {"capacity": capacity})
            return int(result.value)

        async def both() -> int:
            results = await asyncio.gather(
                session.run(SHARED, {"sends": True}), session.run(SHARED, {"sends": False})
            )
            return sum(result.value for result in results)

        for capacity in (0, 100):
            here = await fastest(lambda c=capacity: run(BETWEEN, c), total)  # type: ignore[misc]
            peer = await fastest(lambda c=capacity: queue_between(c), total)  # type: ignore[misc]
            what = f"{MESSAGES} messages, capacity {capacity} / asyncio.Queue"
            found.append(Row(what, here, "ms", peer))
        here = await fastest(both, total)
        peer = await fastest(lambda: queue_between(100), total)
        found.append(Row(f"{MESSAGES} messages between two spells / asyncio.Queue", here, "ms",
                         peer))  # fmt: skip
        here, peer = (
            await fastest(lambda: run(EACH_ONE), small),
            await fastest(queue_each_one, small),
        )
        found.append(Row(f"{TASKS} tasks that send one message each / asyncio.Queue", here, "ms",
                         peer))  # fmt: skip
    return found


def measure() -> Iterator[Row]:
    yield from asyncio.run(rows())
