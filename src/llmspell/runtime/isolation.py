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
from typing import Any

from ..engines import engine
from ..engines.base import (
    Answer,
    Bound,
    Call,
    Chunk,
    Compile,
    Done,
    Ended,
    EngineUsage,
    Prepares,
    Sandbox,
    Signature,
    Store,
    Waiting,
    output_of,
)
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
from .channel_end import Channel
from .frames import (
    MAX_FRAME,
    MAX_TEXT,
    ProtocolError,
    pack,
    read_error,
    read_frames,
    tell_error,
)
from .worker import OUT_OF_MEMORY
from .zygote import Kill, Launch, launcher

START = 20.0
"""Seconds a worker may take to be ready, with a new zygote."""

WELL = 2.0
"""Seconds a worker that has waited may take to answer."""

HANDLE = b'"\\u0000handle"'
"""What a handle looks like in the text form of values."""

WARNED = ("steps", "memory")
"""Limits of which a worker tells that its script came near; the host sees the others itself."""


class IsolatedEngine:
    """The engine `name`, with every isolate in a worker of its own."""

    def __init__(self, name: str, launch: Launch | None = None) -> None:
        inner = engine(name)
        self.name = name
        self.suffixes = inner.suffixes
        self.features, self.warm = inner.features, inner.warm
        self._given = launch
        self._bound = Bound(self._made)
        self._folder = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return isolated, (self.name,)  # as part of a result that goes to another process

    def keep(self, store: Store | None) -> None:
        """Has workers find there what the engine has prepared, and put it there."""
        if store is not None and isinstance(engine(self.name), Prepares):
            self._folder = store.folder
        else:
            self._folder = ""

    @property
    def version(self) -> str:
        """What works in the worker."""
        return engine(self.name).version

    @property
    def form(self) -> str:
        """None: the chunk is the source."""
        return ""

    def compile(self, source: str, name: str) -> Chunk:
        """The program as it is: text of a stranger is parsed in the worker only."""
        if len(source.encode(errors="replace")) > MAX_TEXT:
            text = f"the source is larger than {MAX_TEXT} bytes"
            raise ScriptSyntaxError(text, frames=(Frame(name, 1),))
        return Chunk(self.name, name, source, "")

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> RemoteIsolate:
        """An isolate that gets its worker when it is connected."""
        output, launch = self._bound.of(names)
        return RemoteIsolate(output, limits, launch)

    def _made(self, names: Mapping[str, Signature]) -> tuple[str, Launch]:
        told = [[name, *signature] for name, signature in names.items()]
        launch = self._given or launcher(pack("names", self.name, told, self._folder))
        return output_of(names), launch


@cache
def isolated(name: str) -> IsolatedEngine:
    """The isolated engine called `name`. Raises UsageError where there is none."""
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
        self._layers: dict[str, str] | None = None
        self._sent = self._handled = self._states = 0
        self._busy = False
        self._last_call = self._open_calls = self._handles = 0
        self._entries: set[int] = set()
        self._near: set[str] = set()
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
        before = self._fail if self._layers is not None else fail
        self._deliver, self._fail = deliver, fail
        if self._layers is not None:
            try:
                return await self._check(self._layers)
            except SpellCrashed as error:
                before(error)
        try:
            return await self._start()
        except SpellCrashed:
            # Nothing of the spell has been read yet, so another worker may have it.
            return await self._start()

    async def _check(self, layers: dict[str, str]) -> dict[str, str]:
        """The layers of a worker that has waited, if it answers. Raises SpellCrashed."""
        self._ready = asyncio.get_running_loop().create_future()
        try:
            self._send("well")
            if not self.answers():
                raise SpellCrashed("was gone")
            async with asyncio.timeout(WELL):
                await self._ready
        except TimeoutError:
            self.close()
            raise SpellCrashed("did not answer") from None
        return layers

    def answers(self) -> bool:
        """Whether its worker said that it is ready, and is there."""
        return self._layers is not None and self._channel is not None and self._channel.open

    async def _start(self) -> dict[str, str]:
        loop = asyncio.get_running_loop()
        self._ready, self._layers = loop.create_future(), None
        self._sent = self._handled = self._states = 0
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
            # Not wait_for: that forgets to be cancelled when the worker is ready just then.
            async with asyncio.timeout(START):
                self._layers = await self._ready
            return self._layers
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

    def compile_with(self, compile: Compile) -> None:
        """Nothing: what a stranger wrote is compiled in the worker, and kept nowhere."""

    def restrict(self, sandbox: Sandbox) -> None:
        """Has the worker make the environment smaller."""
        self._send("restrict", sorted(sandbox.allowed), sorted(sandbox.removed), sandbox.name)

    def reveal(self) -> None:
        """Has the worker tell what variables held."""
        self._send("reveal")

    def reproduce(self) -> None:
        """Has the worker do the same as any other would."""
        self._send("reproduce")

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program."""
        frame = pack("run", entry, chunk.name, chunk.source, params.decode(), seed)
        if len(frame) > MAX_FRAME:
            text = f"the source and its parameters are larger than {MAX_FRAME} bytes, as JSON"
            error = ScriptSyntaxError(text, frames=(Frame(chunk.name, 1),))
            return Waiting(ended=[Ended(entry, error=error)])
        self._entries.add(entry)
        self._send_frame(frame)
        return Waiting()

    def call(self, entry: int, function: int | str, args: bytes) -> Answer:
        """Starts a function the script handed out, or a global one."""
        if len(args) > MAX_TEXT:
            text = f"the arguments of {len(args)} bytes are larger than {MAX_TEXT}"
            return Waiting(ended=[Ended(entry, error=HostFailure(text, code="value"))])
        self._entries.add(entry)
        self._handles += args.count(HANDLE)
        self._send("call", entry, function, args.decode())
        return Waiting()

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers one call."""
        if isinstance(answer, bytes) and len(answer) > MAX_TEXT:
            text = f"the answer of {len(answer)} bytes is larger than {MAX_TEXT}"
            answer = HostFailure(text, code="value")
        if isinstance(answer, bytes):
            self._handles += answer.count(HANDLE)
            self._send("resume", call_id, answer.decode())
        else:
            self._send("refuse", call_id, tell_error(answer))
        return Waiting()

    def proceed(self) -> Answer:
        """Nothing: a worker goes on by itself."""
        return Waiting()

    def abandon(self, entry: int) -> Answer:
        """Has the worker end an entry. Its end may be on its way, and is still taken."""
        self._send("abandon", entry)
        return Waiting()

    def deadlock(self, waits: Mapping[int, str]) -> Answer:
        """Has the worker say who waits for what."""
        self._send("deadlock", [[number, what] for number, what in waits.items()])
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
        self._send_frame(pack(*message))

    def _send_frame(self, frame: bytes) -> None:
        self._sent += 1
        if self._channel is not None and self._over is None:
            self._channel.send(frame)

    # What the worker says.

    def heard(self, message: list[Any]) -> None:
        """Takes one message, whose value was checked and is bytes.

        Raises ProtocolError where no honest worker would have sent it.
        """
        word, *fields = message
        if self._ready is None or not self._ready.done():
            if word != "ready" or self._ready is None:
                raise ProtocolError(f"{word!r} before it was ready")
            self._ready.set_result({str(name): str(why) for name, why in fields[0].items()})
            return
        if not self._sent:
            raise ProtocolError(f"{word!r} before it was asked anything")
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
                self._deliver(Waiting([Call(number, name, args)]))
            case "cancel":
                self._open_calls -= 1
                if self._open_calls < 0:
                    raise ProtocolError("more calls cancelled than made")
                self._deliver(Waiting(cancelled=[fields[0]]))
            case "near":
                if fields[0] not in WARNED or fields[0] in self._near:
                    raise ProtocolError("a warning that cannot be")
                self._near.add(fields[0])
                self._deliver(Waiting(near=(fields[0],)))
            case "drop":
                self._take_dropped(fields[0])
            case "done" | "fail":
                self._take_end(word, *fields)
            case _:
                raise ProtocolError(f"{word!r} at the wrong time")

    def _take_state(
        self,
        handled: int,
        busy: bool,
        steps: int,
        memory: int,
        peak: int,
        tasks: int,
        cpu: float,
        where: list[Any],
    ) -> None:
        self._states += 1
        if not self._handled <= handled <= self._sent or self._states > 2 * handled + 2:
            raise ProtocolError("a state that cannot be")
        self._handled, self._busy = handled, busy
        self._usage = EngineUsage(steps, memory, cpu, peak, tasks)
        self._where = read_frames(where)

    def _take_dropped(self, told: list[Any]) -> None:
        if len(told) % 2 or not all(type(number) is int and number > 0 for number in told):
            raise ProtocolError("handles that are none")
        pairs = list(zip(told[::2], told[1::2], strict=True))
        self._handles -= sum(times for _, times in pairs)
        if self._handles < 0 or not pairs:
            raise ProtocolError("more handles dropped than given")
        self._deliver(Waiting(dropped=pairs))

    def _take_end(self, word: str, entry: int, told: Any) -> None:
        if entry not in self._entries:
            raise ProtocolError("the end of what had not begun")
        self._entries.discard(entry)
        if word == "done":
            ended = Ended(entry, told)
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
        try:
            code = os.waitstatus_to_exitcode(status)
            died = signal.Signals(-code).name if code < 0 else ""
        except (ValueError, OverflowError):  # a worker can send this frame too
            return SpellCrashed("ended in a way that there is not")
        if code == OUT_OF_MEMORY:
            return MemoryLimit(f"{self._limits.memory} bytes")
        if code == -getattr(signal, "SIGXCPU", 0) and self._limits.cpu is not None:
            return TimeLimit(f"{self._limits.cpu:g} s of processor time")
        if code < 0:
            return SpellCrashed(f"died of {died}", signal=-code)
        return SpellCrashed(f"ended by itself, with code {code}")

    def _lost(self, error: LlmspellError) -> None:
        self.close()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
        elif self._over is None:
            self._fail(error)
