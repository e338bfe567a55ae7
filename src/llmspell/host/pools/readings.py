"""This unit reads an answer that comes piece by piece before it is known who wants it.

    Reading(opening)     a task of its own opens the stream, reads it and leaves it
        begun()          waits until it brings something
        passed_on()      the same stream, for whoever reads it on
        close()          ends it where it is

pydantic-ai wants a stream entered and left in one task, and which of several brings something
first is only known when all are on their way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from ..llm.streams import OPENED, PIECES_AHEAD, read_through
from ..tasks import ended

if TYPE_CHECKING:
    from httpx2 import Response
    from pydantic_ai.models import StreamedResponse


class Reading:
    """One stream, read at most `PIECES_AHEAD` events ahead of whoever wants it.

    error: why it has broken off.
    """

    def __init__(self, opening: AbstractAsyncContextManager[StreamedResponse]) -> None:
        self.error: Exception | None = None
        self._stream: StreamedResponse | None = None
        self._events: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._ended = False
        self._task = asyncio.create_task(self._read(opening), name="stream of a pool")

    @property
    def stream(self) -> StreamedResponse:
        """What is read; not before it has begun."""
        assert self._stream is not None
        return self._stream

    async def begun(self) -> bool:
        """Waits for its first event; tells whether there is one. Raises what kept it away."""
        await self._arrived.wait()
        if self.error is not None and not self._events:
            raise self.error
        return bool(self._events)

    def passed_on(self) -> StreamedResponse:
        """The stream, all its events before it."""
        # Where a StreamedResponse keeps what it hands out; pydantic-ai's own fallback does so.
        self.stream._event_iterator = self._handed_out()
        return self.stream

    async def close(self) -> None:
        """Ends it where it is, and waits until it has left its stream. Safe to repeat."""
        await ended([self._task])

    async def _read(self, opening: AbstractAsyncContextManager[StreamedResponse]) -> None:
        opened: list[Response] = []
        OPENED.set(opened)
        try:
            async with opening as self._stream:
                await read_through(self._stream, opened, lambda event: event, self._keep)
        except Exception as error:  # noqa: BLE001 - whoever reads it raises it
            self.error = error
        finally:
            self._ended = True
            self._arrived.set()

    async def _keep(self, event: Any) -> None:
        self._events.append(event)
        self._arrived.set()
        while len(self._events) >= PIECES_AHEAD:
            self._wanted.clear()
            await self._wanted.wait()

    async def _handed_out(self) -> AsyncIterator[Any]:
        while self._events or not self._ended:
            if self._events:
                event = self._events.popleft()
                self._wanted.set()
                yield event
            else:
                self._arrived.clear()
                await self._arrived.wait()
        if self.error is not None:
            raise self.error
