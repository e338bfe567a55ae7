"""This unit ends tasks, does jobs together, and names what goes on at the same time.

ended(tasks)    cancels them, and returns when every one is over
end(tasks)      the same, and raises the limit that one of them reached
together(jobs)  does jobs at the same time, so many at once
strand(name)    what is done within is a strand of its own
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..errors import LimitExceeded

STRAND: ContextVar[str] = ContextVar("STRAND", default="")
"""Which of the things that go on for one call of a script this is, such as the step of a workflow.

Where they ask the same at the same time, a restored run tells by it whose answer is whose.
"""


@contextmanager
def strand(name: str) -> Iterator[None]:
    """Names what is done within."""
    token = STRAND.set(f"{STRAND.get()}/{name}")
    try:
        yield
    finally:
        STRAND.reset(token)


async def ended(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancels tasks and waits until they are over, whatever they came to.

    Cancelled itself meanwhile, it is so when they are over: nobody else would wait for them.
    """
    given = list(tasks)
    for task in given:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    left = given  # those that are over too: what they have let go of is closed in the next turn
    while left:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
        left = [task for task in given if not task.done()]
    for task in given:
        if not task.cancelled():
            task.exception()  # or asyncio tells of one that nobody has looked at
    if cancelled is not None:
        raise cancelled


async def together(jobs: Sequence[Callable[[], Awaitable[Any]]], most: int) -> None:
    """Does jobs at the same time, `most` of them at once. The first failure ends the others."""
    left = iter(jobs)

    async def worker() -> None:
        for job in left:
            await job()

    workers = [asyncio.create_task(worker()) for _ in range(min(most, len(jobs)))]
    try:
        await asyncio.gather(*workers)
    finally:
        await end(workers)


async def end(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancels what still runs, and waits for it. Raises the limit that one of them reached."""
    given = list(tasks)
    await ended(given)
    for task in given:
        if not task.cancelled() and isinstance(error := task.exception(), LimitExceeded):
            raise error  # which the failure of another must not hide
