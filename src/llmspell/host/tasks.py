"""This unit ends tasks.

ended(tasks)    cancels them, and returns when every one is over
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


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
