"""The host's end of the channel to a worker."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol, cast

from .frames import SOON, TO_HOST, VALUED, Frames, ProtocolError, check_text

SLICE = 0.004
"""Seconds the host spends on one worker's frames before others have their turn."""

LARGE = 16384
"""Bytes of a value that others have their turn after: it was checked, and is yet to be read."""


class Listener(Protocol):
    """Who is told what comes from the worker."""

    def heard(self, message: list[Any]) -> None:
        """One message. Raises ProtocolError where no honest worker would have sent it."""

    def broken(self, what: str) -> None:
        """The worker sent what is no message."""

    def gone(self, message: list[Any] | None) -> None:
        """The worker has ended. `message` is the zygote's word of how, if any."""


class Channel(asyncio.BufferedProtocol):
    """The host's end of a channel: reads in slices, so that a flood delays nobody."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        self._listener = listener
        self._loop = loop
        self._frames = Frames(TO_HOST)
        # One for all reads: asyncio's own, of 256 KB, has the system map memory for each.
        self._buffer = memoryview(bytearray(65536))
        self._transport: asyncio.Transport | None = None
        self._checked: list[Any] | None = None
        self._paused = self._ended = self._closed = False
        self._sent = 0.0
        # Its last word came soon, another is waited for, the loop is kept awake for it.
        self._prompt = self._awaited = self._awake = False

    @property
    def open(self) -> bool:
        """Whether the worker can be reached."""
        return not (self._closed or self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked for by its class: the transports of uvloop are none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        if self._closed:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._awaited, self._prompt = False, monotonic() - self._sent < SOON
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
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self._awaited, self._sent = True, monotonic()
            if self._prompt and not self._awake:
                self._stay_awake()

    def _stay_awake(self) -> None:
        """Has the loop look for events and not sleep, while a prompt worker is about to speak."""
        self._awake = self._awaited and not self._closed and monotonic() - self._sent < SOON
        if self._awake:
            self._loop.call_soon(self._stay_awake)

    def close(self) -> None:
        """Hangs up."""
        if not self._closed:
            self._closed = True
            if self._transport is not None:
                # To close it is not enough where a process that was forked meanwhile has it too.
                # What uvloop gives for the socket has a number only.
                with suppress(OSError, AttributeError):  # uvloop has none for one that is closed
                    number = os.dup(self._transport.get_extra_info("socket").fileno())
                    with socket.socket(fileno=number) as same:
                        same.shutdown(socket.SHUT_RDWR)
                self._transport.abort()

    def _take(self) -> None:
        self._paused = False
        until = monotonic() + SLICE
        try:
            while not self._closed and (message := self._next()) is not None:
                if message is self._checked:
                    self._pause()
                    return
                if message[0] == "exit":
                    self._listener.gone(message)
                    return
                self._listener.heard(message)
                if monotonic() > until:
                    self._pause()
                    return
        except ProtocolError as error:
            if (exit := self._frames.last()) is not None:
                self._listener.gone(exit)
            else:
                self._listener.broken(str(error))
            return
        if self._closed or self._transport is None:
            return
        if self._ended:
            self._listener.gone(self._frames.last())
        else:
            self._transport.resume_reading()

    def _next(self) -> list[Any] | None:
        """The next message, its value checked. A large one is kept, and given once more."""
        kept, self._checked = self._checked, None
        if kept is not None:
            return kept
        message = next(self._frames, None)
        if message is not None and message[0] in VALUED:
            message[-1] = check_text(message[-1])
            if len(message[-1]) > LARGE:
                self._checked = message
        return message

    def _pause(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()
        self._loop.call_soon(self._take)
