"""The host's end of the channel to a worker."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from .frames import TO_HOST, Frames, ProtocolError

if TYPE_CHECKING:
    from .isolation import RemoteIsolate

SLICE = 0.004
"""Seconds the host spends on one worker's frames before others have their turn."""


class Channel(asyncio.BufferedProtocol):
    """The host's end of a channel: reads in slices, so that a flood delays nobody."""

    def __init__(self, isolate: RemoteIsolate, loop: asyncio.AbstractEventLoop) -> None:
        self._isolate = isolate
        self._loop = loop
        self._frames = Frames(TO_HOST)
        # One for all reads: asyncio's own, of 256 KB, has the system map memory for each.
        self._buffer = memoryview(bytearray(65536))
        self._transport: asyncio.Transport | None = None
        self._paused = self._ended = self._closed = False

    @property
    def open(self) -> bool:
        """Whether the worker can be reached."""
        return not (self._closed or self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._closed:
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._frames.feed(self._buffer[:nbytes])
        if not self._paused:
            self._take()

    def eof_received(self) -> bool:
        self._ended = True
        if not self._paused:
            self._take()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        if not self._paused:
            self._take()

    def send(self, data: bytes) -> None:
        """Sends a frame, now or when the worker reads on."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Hangs up."""
        if not self._closed:
            self._closed = True
            if self._transport is not None:
                self._transport.abort()

    def _take(self) -> None:
        self._paused = False
        until = monotonic() + SLICE
        try:
            while not self._closed and (message := next(self._frames, None)) is not None:
                if message[0] == "exit":
                    self._isolate.gone(message)
                    return
                self._isolate.heard(message)
                if monotonic() > until:
                    self._pause()
                    return
        except ProtocolError as error:
            if (exit := self._frames.last()) is not None:
                self._isolate.gone(exit)
            else:
                self._isolate.broken(str(error))
            return
        if self._closed or self._transport is None:
            return
        if self._ended:
            self._isolate.gone(self._frames.last())
        else:
            self._transport.resume_reading()

    def _pause(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()
        self._loop.call_soon(self._take)
