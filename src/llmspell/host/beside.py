"""Work that would hold the event loop up, done in a thread while the loop goes on.

    Beside().do(work, *args)    what `work` gives; one piece at a time for each run and those in it
    Beside().programs           how many programs a run may have at once, to be entered for each
    Beside().confined           the same for processes that compute with all they have

Only for what computes and touches nothing of the run. Nobody can stop a thread, so what is done
here is bounded by the size of what it is given: a run that ends leaves at most one piece, of about
a second, to come to its end. Who waits for the turn holds little: many may wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

MAX_PROGRAMS = 8
MAX_CONFINED = 2
"""Each may print megabytes that are kept here, and the last take a processor each."""


class Beside:
    """The work of one run, and of those in it: many pieces at once would only take the interpreter
    from the others, and runs that end early would leave ever more of them."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self.programs = asyncio.Semaphore(MAX_PROGRAMS)
        self.confined = asyncio.Semaphore(MAX_CONFINED)

    async def do(self, work: Callable[..., T], *args: object) -> T:
        """What `work` gives, or raises. Nobody waits for it once the call is cancelled."""
        await self._turn.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(settled: Callable[[], None]) -> None:
            # Not before: who cancels and calls again would have ever more pieces at work.
            self._turn.release()
            if not answer.done():
                settled()

        def run() -> None:
            try:
                settled = partial(answer.set_result, work(*args))
            except BaseException as error:  # noqa: BLE001 - who waits for it raises it
                settled = partial(answer.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, settled)

        try:
            threading.Thread(target=run, name="beside", daemon=True).start()
        except BaseException:
            self._turn.release()
            raise
        return await answer
