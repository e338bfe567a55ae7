"""A spell that runs while the program does something else, and can be restored."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..spells.program import Program
from .arguments import check
from .checkpoint import Checkpoint
from .keeper import Keeping
from .result import Result
from .run import Run, raised

if TYPE_CHECKING:
    from .session import Session


class Running:
    """A started spell: see `Session.start` and `Session.restore`."""

    def __init__(
        self,
        session: Session,
        program: Program,
        params: Mapping[str, Any],
        limits: Mapping[str, Any] | str,
        checkpoint: Checkpoint | None,
        keep: str | os.PathLike[str] | None,
    ) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError("start and restore need a running event loop") from None
        check(keep=keep)
        self._session = session
        self._given = program, params, limits, Keeping(checkpoint, keep)
        self._run = Run(session, *self._given) if session.pool is None else None
        self._task = loop.create_task(self._work())
        self._task.add_done_callback(lambda task: session.started.discard(self))
        session.started.add(self)

    async def _work(self) -> Result:
        if self._session.pool is None:
            assert self._run is not None
            return await _to_the_end(self._run)
        async with self._session.pool.place():
            self._run = Run(self._session, *self._given)
            return await _to_the_end(self._run)

    def checkpoint(self) -> Checkpoint:
        """The run as it is now, or as it was when it ended.

        Raises UsageError before it has begun, and RestoreError when it could not be restored: it
        was answered with a secret, or with more than a checkpoint may hold.
        """
        if self._run is None:
            raise UsageError("the spell has not begun: it waits for a place in the pool")
        return self._run.checkpoint()

    async def attempt(self) -> Result:
        """Its result, once it has ended, with the error that ended it, if any, inside."""
        return await asyncio.shield(self._task)

    async def result(self) -> Result:
        """Its result. Raises what ended it."""
        return raised(await self.attempt())

    async def cancel(self) -> None:
        """Ends it where it is."""
        await asyncio.sleep(0)  # one that has not begun would not close what it has
        self._task.cancel()
        await asyncio.wait([self._task])


async def _to_the_end(run: Run) -> Result:
    try:
        return await run.attempt()
    finally:
        await run.close()
