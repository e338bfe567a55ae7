"""Reads standard input for spells, and holds nothing up while nothing comes.

    Input(stream)       a file, a pipe, or any text stream; None is an empty input
    read(line)          the next line, or all that is left; None at the end
    ask()               the next line; a person at a terminal may be who writes it

A pipe may stay open and empty for ever. It is waited for in the event loop, like the network, so
that limits of time hold and other spells go on; it is never read by a thread, which could neither
be ended nor left behind.
"""

from __future__ import annotations

import os
import select
import stat
from typing import TextIO

from ..errors import HostFailure

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of what is read at once."""

PIECE = 65536


class Input:
    """Standard input of one session. A terminal is read only to ask whoever sits there."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._ended = False
        self._reading = False

    async def read(self, line: bool) -> str | None:
        """The next line without its end, or all that is left; None at the end."""
        if self._stream is not None and not self._stream.closed and self._stream.isatty():
            return None
        return await self._read(line)

    async def ask(self) -> str | None:
        """The next line without its end, of a terminal too; None at the end."""
        return await self._read(line=True)

    async def _read(self, line: bool) -> str | None:
        stream = self._stream
        if stream is None or stream.closed:
            return None
        try:
            file = stream.fileno()
        except OSError:  # a stream in memory, which never waits
            text = stream.readline(MAX_BYTES + 1) if line else stream.read(MAX_BYTES + 1)
            return self._given(text.encode(), line)
        if self._reading:
            raise HostFailure("standard input is being read already", code="busy")
        self._reading = True
        try:
            await self._fill(file, line)
        finally:
            self._reading = False
        end = self._kept.find(b"\n") + 1 if line else 0
        found = bytes(self._kept[: end or len(self._kept)])
        del self._kept[: len(found)]
        return self._given(found, line)

    async def _fill(self, file: int, line: bool) -> None:
        """Keeps what is needed: a line, or all there is."""
        while not self._ended and not (line and b"\n" in self._kept):
            if len(self._kept) > MAX_BYTES:
                break
            piece = await _piece(file)
            self._ended = not piece
            self._kept += piece

    def _given(self, found: bytes, line: bool) -> str | None:
        if len(found) > MAX_BYTES:
            noun = "a line" if line else "the input"
            raise HostFailure(f"{noun} is larger than {MAX_BYTES} bytes", code="too_large")
        try:
            text = found.decode().replace("\r\n", "\n")
        except UnicodeDecodeError:
            raise HostFailure("the input is not UTF-8 text", code="value") from None
        return text.removesuffix("\n") if line and text else text or None


async def _piece(file: int) -> bytes:
    """What is there, waiting for some; nothing at the end."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        # A line of the terminal may be taken by another question in the same moment.
        while await _some(file) and os.isatty(file) and not select.select([file], [], [], 0)[0]:
            pass
    return os.read(file, PIECE)


async def _some(file: int) -> bool:
    """Waits until there is something to read, or the end. Gives whether it could wait."""
    import asyncio

    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    try:
        loop.add_reader(file, there.set)
    except (OSError, NotImplementedError):  # such as /dev/null, which never waits either
        return False
    try:
        await there.wait()
    finally:
        loop.remove_reader(file)
    return True
