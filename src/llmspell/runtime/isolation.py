"""Isolation `process`: an engine of the same protocol whose VM is in a one-shot worker.

The host keeps secrets, services, policy and the clock. It treats the worker as hostile: whatever
arrives is checked and bounded, and a worker that breaks the protocol, dies, or does not stop in
time is killed, which ends the run with a typed error and touches no other.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from functools import cache
from time import monotonic
from typing import Any

from ..engines import engine
from ..engines.base import Answer, Call, Chunk, Done, Ended, EngineUsage, Signature, Waiting
from ..errors import (
    CapabilityError,
    Frame,
    HostFailure,
    LimitExceeded,
    LlmspellError,
    MemoryLimit,
    ScriptSyntaxError,
    SpellCrashed,
    TimeLimit,
)
from ..limits import Limits
from .frames import (
    MAX_TEXT,
    TO_HOST,
    Frames,
    ProtocolError,
    check_text,
    pack,
    read_error,
    read_frames,
)
from .worker import OUT_OF_MEMORY
from .zygote import Kill, Launch, launcher

START = 20.0
"""Seconds a worker may take to be ready, with a new zygote."""

SLICE = 0.004
"""Seconds the host spends on one worker's frames before others have their turn."""


class IsolatedEngine:
    """The engine `name`, with every isolate in a worker of its own."""

    def __init__(self, name: str, launch: Launch | None = None) -> None:
        inner = engine(name)
        self.name = name
        self.suffixes = inner.suffixes
        self.features = inner.features
        self._given = launch
        self._launch: Launch
        self._names: Mapping[str, Signature] = {}
        self._output = "print"

    @property
    def version(self) -> str:
        """What works in the worker."""
        return engine(self.name).version

    def compile(self, source: str, name: str) -> Chunk:
        """The program as it is: text of a stranger is parsed in the worker only."""
        if len(source.encode(errors="replace")) > MAX_TEXT:
            text = f"the source is larger than {MAX_TEXT} bytes"
            raise ScriptSyntaxError(text, frames=(Frame(name, 1),))
        return Chunk(self.name, name, source, "")

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> RemoteIsolate:
        """An isolate that gets its worker when it is connected."""
        if names is not self._names:
            self._names = names
            told = [[name, *signature] for name, signature in names.items()]
            self._launch = self._given or launcher(pack("names", self.name, told))
            outputs = [name for name, item in names.items() if item.role == "output"]
            self._output = outputs[0] if outputs else "print"
        return RemoteIsolate(self._output, limits, self._launch)


@cache
def isolated(name: str) -> IsolatedEngine:
    """The isolated engine called `name`. Raises UsageError naming those there are."""
    return IsolatedEngine(name)


class RemoteIsolate:
    """One worker. `run`, `call` and `resume` answer at once with nothing; what the VM says comes
    to the `deliver` given to `connect`."""

    def __init__(self, output: str, limits: Limits, launch: Launch) -> None:
        self._output = output
        self._limits = limits
        self._launch = launch
        self._channel: Channel | None = None
        self._kill: Kill | None = None
        self._deliver: Callable[[Answer], None]
        self._fail: Callable[[LlmspellError], None]
        self._ready: asyncio.Future[dict[str, str]] | None = None
        self._sent = self._handled = self._states = 0
        self._busy = False
        self._last_call = self._open_calls = 0
        self._entries: set[int] = set()
        self._over: LlmspellError | None = None
        self._where: tuple[Frame, ...] = ()
        self._usage = EngineUsage(0, 0, 0.0)

    async def connect(
        self, deliver: Callable[[Answer], None], fail: Callable[[LlmspellError], None]
    ) -> dict[str, str]:
        """Starts the worker. Gives each layer -> why it is not active, or "".

        `deliver` gets what the VM says, `fail` what went wrong with the worker. Raises
        SpellCrashed when no worker can be had.
        """
        self._deliver, self._fail = deliver, fail
        try:
            return await self._start()
        except SpellCrashed:
            # Nothing of the spell has been read yet, so another worker may have it.
            return await self._start()

    async def _start(self) -> dict[str, str]:
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                await self._have_launched(theirs)
            except BaseException:
                ours.close()
                raise
        channel = self._channel = Channel(self, loop)
        try:
            await loop.create_connection(lambda: channel, sock=ours)
            channel.send(pack("open", self._limits._asdict()))
            return await asyncio.wait_for(self._ready, START)
        except TimeoutError:
            self.close()
            raise SpellCrashed("was not ready in time") from None

    async def _have_launched(self, channel: socket.socket) -> None:
        for patience in (0, *[0.01] * 500):
            try:
                self._kill = self._launch(channel)
                return
            except BlockingIOError:
                # The zygote has more to fork than its socket holds.
                await asyncio.sleep(patience)
        raise SpellCrashed("was not started in time")

    @property
    def working(self) -> bool:
        """Whether the VM has not yet come to rest."""
        return self._busy or self._handled < self._sent

    def confine(self, limits: Limits) -> None:
        """Replaces the limits."""
        self._limits = limits

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program."""
        self._entries.add(entry)
        self._send("run", entry, chunk.name, chunk.source, params.decode(), seed)
        return Waiting()

    def call(self, entry: int, function: int, args: bytes) -> Answer:
        """Starts a function the script handed out."""
        self._entries.add(entry)
        self._send("call", entry, function, args.decode())
        return Waiting()

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers one call."""
        if isinstance(answer, bytes) and len(answer) > MAX_TEXT:
            text = f"the answer of {len(answer)} bytes is larger than {MAX_TEXT}"
            answer = HostFailure(text, code="value")
        if isinstance(answer, bytes):
            self._send("resume", call_id, answer.decode())
        else:
            told = {"type": type(answer).__name__, "code": answer.code, "message": answer.message,
                    "capability": answer.capability, "retryable": answer.retryable}  # fmt: skip
            self._send("refuse", call_id, told)
        return Waiting()

    def proceed(self) -> Answer:
        """Nothing: a worker goes on by itself."""
        return Waiting()

    def interrupt(self, reason: LlmspellError) -> Answer:
        """Ends every entry with `reason`, and the worker with it."""
        self._over = self._over or reason
        told = isinstance(self._over, LimitExceeded) and not isinstance(self._over, MemoryLimit)
        if told and not self._over.frames:
            self._over.frames = self._where
        self.close()
        ended = [Ended(entry, error=self._over) for entry in sorted(self._entries)]
        self._entries.clear()
        return Done(ended=ended)

    def where(self) -> tuple[Frame, ...]:
        """Where the script stood when the VM last came to rest."""
        return self._where

    def usage(self) -> EngineUsage:
        """What the worker last told."""
        return self._usage

    def allot(self, seconds: float, remaining: float) -> None:
        """Nothing: a worker is told its limits when it starts, and the system shares the time."""

    def close(self) -> None:
        """Lets go of the worker, which is killed by this."""
        self._busy, self._handled = False, self._sent
        if self._channel is not None:
            self._channel.close()
        if self._kill is not None:
            self._kill()

    def _send(self, *message: Any) -> None:
        self._sent += 1
        if self._channel is not None and self._over is None:
            self._channel.send(pack(*message))

    # What the worker says.

    def heard(self, message: list[Any]) -> None:
        """Takes one message. Raises ProtocolError where no honest worker would have sent it."""
        word, *fields = message
        if self._ready is None or not self._ready.done():
            if word != "ready" or self._ready is None:
                raise ProtocolError(f"{word!r} before it was ready")
            self._ready.set_result({str(name): str(why) for name, why in fields[0].items()})
            return
        if word != "state":
            self._states = 0
        match word:
            case "state":
                self._take_state(*fields)
            case "print":
                if not fields[0]:
                    raise ProtocolError("output of nothing")
                self._deliver(Waiting([Call(0, self._output, fields[0].encode())]))
            case "call":
                number, name, args = fields
                if number <= self._last_call:
                    raise ProtocolError("a call with a number that was used")
                self._last_call = number
                self._open_calls += 1
                self._deliver(Waiting([Call(number, name, check_text(args))]))
            case "cancel":
                self._open_calls -= 1
                if self._open_calls < 0:
                    raise ProtocolError("more calls cancelled than made")
                self._deliver(Waiting(cancelled=[fields[0]]))
            case "done" | "fail":
                self._take_end(word, *fields)
            case _:
                raise ProtocolError(f"{word!r} at the wrong time")

    def _take_state(
        self, handled: int, busy: bool, steps: int, memory: int, cpu: float, where: list[Any]
    ) -> None:
        self._states += 1
        if not self._handled <= handled <= self._sent or self._states > 2 * handled + 2:
            raise ProtocolError("a state that cannot be")
        self._handled, self._busy = handled, busy
        self._usage = EngineUsage(steps, memory, cpu)
        self._where = read_frames(where)

    def _take_end(self, word: str, entry: int, told: Any) -> None:
        if entry not in self._entries:
            raise ProtocolError("the end of what had not begun")
        self._entries.discard(entry)
        if word == "done":
            ended = Ended(entry, check_text(told))
        else:
            error = read_error(told)
            if isinstance(error, LimitExceeded):
                self._over = error
            ended = Ended(entry, error=error)
        self._deliver(Waiting(ended=[ended]))

    def broken(self, what: str) -> None:
        """The worker broke the protocol: it is not trusted with another word."""
        self._lost(SpellCrashed(f"sent {what}"))

    def gone(self, message: list[Any] | None) -> None:
        """The worker has ended. `message` is the zygote's word of how, if any."""
        self._lost(self._ending(message[1]) if message else SpellCrashed("could not be reached"))

    def _ending(self, status: int) -> LlmspellError:
        code = os.waitstatus_to_exitcode(status)
        if code == OUT_OF_MEMORY:
            return MemoryLimit(f"{self._limits.memory} bytes")
        if code == -getattr(signal, "SIGXCPU", 0) and self._limits.cpu is not None:
            return TimeLimit(f"{self._limits.cpu:g} s of processor time")
        if code < 0:
            return SpellCrashed(f"died of {signal.Signals(-code).name}", signal=-code)
        return SpellCrashed(f"ended by itself, with code {code}")

    def _lost(self, error: LlmspellError) -> None:
        self.close()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
        elif self._over is None:
            self._fail(error)


class Channel(asyncio.Protocol):
    """The host's end of a channel: reads in slices, so that a flood delays nobody."""

    def __init__(self, isolate: RemoteIsolate, loop: asyncio.AbstractEventLoop) -> None:
        self._isolate = isolate
        self._loop = loop
        self._frames = Frames(TO_HOST)
        self._transport: asyncio.Transport | None = None
        self._paused = self._ended = self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._closed:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._frames.feed(data)
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
