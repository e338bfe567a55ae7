"""The worker program: one spell, in a process that can do nothing but answer the host.

    zygote   `python -I`, no threads: imports the engine, forks a worker for each descriptor that
             arrives on its control socket, always one ahead, and reaps it
    worker   makes an isolate, gets its channel, locks itself down, and only then reads the first
             byte of the spell

The life of a worker hangs on its channel: when the host closes its end, the zygote kills the
worker; when the worker is gone, the zygote writes how it ended into the channel and closes it; when
the host itself is gone, the zygote ends and every worker with it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, BinaryIO

from ..engines import engine
from ..engines.base import (
    Answer,
    Busy,
    Chunk,
    Done,
    Ended,
    Engine,
    Isolate,
    Prepares,
    Sandbox,
    Signature,
    Waiting,
)
from ..errors import (
    BadArgument,
    CapabilityError,
    LlmspellError,
    ScriptRuntimeError,
    TimeLimit,
)
from ..limits import Limits
from .frames import (
    MAX_FRAME,
    MAX_TEXT,
    SOON,
    TO_WORKER,
    Frames,
    exit_frame,
    pack,
    read_error,
    tell_error,
)
from .lockdown import Bounds, lock_down, prepare

TURN = 0.004
"""Seconds a busy script runs before the worker looks for a frame."""

SPARE_MEMORY = 64 * 1024 * 1024
"""Bytes a worker may take beyond the limit of its script: frames, and the host language."""

IDLE = 0.02
"""Seconds a script waits before the worker tells where: the answer to a quick call comes sooner."""

AWAKE = 0.5
"""Seconds a worker waits awake in all, of the two it has beyond a limit of processor time."""

AHEAD = 2
"""Milliseconds a zygote lets pass before it forks ahead: a worker at its start needs the time."""

USAGE = "limits.usage"
"""The call that is answered by the host with what the worker told of its state before."""

OUT_OF_MEMORY = 78
"""Exit code of a worker that could not even tell that its memory was used up."""


class Worker:
    """Serves one spell over one channel, until either ends."""

    def __init__(self, channel: socket.socket, parent: int) -> None:
        self._channel = channel
        self._parent = parent
        self._frames = Frames(TO_WORKER)
        self._engine: Engine
        self._handled = 0
        self._limits = Limits()
        self._deadline = float("inf")
        self._isolate: Isolate
        self._over = self._busy = self._orderly = False
        self._warned = False
        self._told = True
        self._calls = self._output = 0
        self._prompt, self._awake = False, float("inf")
        self._refused: list[tuple[int, CapabilityError]] = []

    def serve(self, chosen: Engine, isolate: Isolate) -> None:
        """Answers frames; a busy script goes on in between."""
        _, limits = self._read()
        self._limits = Limits(**limits)
        isolate.confine(self._limits)
        self._engine, self._isolate = chosen, isolate
        memory = (self._limits.memory or 2**40) + SPARE_MEMORY
        cpu = None if self._limits.cpu is None else int(self._limits.cpu) + 2
        if cpu is not None:
            self._awake = AWAKE
        layers = lock_down(Bounds(memory, cpu), [self._channel.fileno()], self._parent)
        self._channel.sendall(pack("ready", layers))
        while True:
            self._isolate.allot(TURN, self._deadline - monotonic())
            if self._busy and self._orderly:
                answer = self._isolate.proceed()
            elif self._refused:
                answer = self._isolate.resume(*self._refused.pop())
            elif (message := self._next()) is not None:
                answer = self._handle(message)
            else:
                answer = self._isolate.proceed()
            answer = self._within_time(answer)
            self._busy = isinstance(answer, Busy)
            self._tell(answer)

    def _handle(self, message: list[Any]) -> Answer:
        self._handled += 1
        match message:
            case ["run", entry, name, source, params, seed]:
                if self._limits.time is not None:
                    self._deadline = monotonic() + self._limits.time
                    self._isolate.allot(TURN, self._limits.time)
                try:
                    chunk: Chunk = self._engine.compile(source, name)
                except LlmspellError as error:
                    return Done(ended=[Ended(entry, error=error)])
                return self._isolate.run(entry, chunk, params.encode(), seed)
            case ["well"]:
                self._channel.sendall(pack("ready", {}))
                return Waiting()
            case ["restrict", allowed, removed, name]:
                self._isolate.restrict(Sandbox(name, frozenset(allowed), frozenset(removed)))
                return Waiting()
            case ["reveal"]:
                self._isolate.reveal()
                return Waiting()
            case ["reproduce"]:
                self._isolate.reproduce()
                self._orderly = True
                return Waiting()
            case ["call", entry, function, args]:
                return self._isolate.call(entry, function, args.encode())
            case ["resume", call, text]:
                return self._isolate.resume(call, text.encode())
            case ["refuse", call, told]:
                refusal = read_error(told)
                assert isinstance(refusal, CapabilityError)
                return self._isolate.resume(call, refusal)
            case ["abandon", entry]:
                return self._isolate.abandon(entry)
            case ["deadlock", waits]:
                return self._isolate.deadlock(dict(waits))
        raise ValueError(message[0])

    def _within_time(self, answer: Answer) -> Answer:
        """The answer, or the end of the run when its time is up."""
        limits = self._limits
        if not isinstance(answer, Done) and not self._over:
            if limits.cpu is not None and self._isolate.usage().cpu > limits.cpu:
                return self._end(TimeLimit(f"{limits.cpu:g} s of processor time"), answer)
            if monotonic() >= self._deadline:
                return self._end(TimeLimit(f"{limits.time:g} s"), answer)
        return answer

    def _end(self, error: LlmspellError, answer: Answer | None = None) -> Answer:
        self._over = True
        ended = self._isolate.interrupt(error)
        if answer is not None:
            ended.calls[:0] = answer.calls
        return ended

    def _tell(self, answer: Answer) -> None:
        """Sends what came out of a turn; the state first where it may be the last thing heard."""
        events = bytearray()
        given_up = set(answer.cancelled)
        asked = any(call.name == USAGE for call in answer.calls)
        for number in sorted(given_up.difference(call.id for call in answer.calls)):
            events += pack("cancel", number)
        for call in answer.calls:
            if call.id == 0:
                self._output += len(call.args)
                events += self._printed(call.args.decode(errors="replace"))
            elif len(call.args) > MAX_TEXT:
                text = f"{call.name}: the arguments are larger than {MAX_TEXT} bytes"
                self._refused.append((call.id, BadArgument(text, capability=call.name)))
            else:
                self._calls += 1
                events += pack("call", call.id, call.name, call.args.decode())
                if call.id in given_up:
                    events += pack("cancel", call.id)
        if answer.dropped:
            events += pack("drop", [number for pair in answer.dropped for number in pair])
        for ended in answer.ended:
            if ended.error is None and len(ended.value) > MAX_TEXT:
                large = ScriptRuntimeError(f"the result is larger than {MAX_TEXT} bytes")
                events += pack("fail", ended.entry, tell_error(large))
            elif ended.error is None:
                events += pack("done", ended.entry, ended.value.decode())
            else:
                events += _failed(ended.entry, ended.error)
        self._told = False
        self._warned = bool(answer.near)
        for name in answer.near:
            events += pack("near", name)
        if answer.near or asked or (events and self._near_limit()) or answer.ended:
            events[:0] = self._state(not isinstance(answer, Done))
        if events:
            self._channel.sendall(events)

    def _near_limit(self) -> bool:
        """Whether the host may end the run for what it is about to be told."""
        limits = self._limits
        return (
            (limits.calls is not None and self._calls > limits.calls - 2)
            or (limits.output is not None and self._output > limits.output)
            or limits.tokens is not None
            or limits.cost is not None
        )

    def _state(self, located: bool) -> bytes:
        self._told = True
        used = self._isolate.usage()
        where = [list(frame) for frame in self._isolate.where()] if located else []
        counts = used.steps, used.memory, used.peak, used.tasks
        return pack("state", self._handled, self._busy, *counts, used.cpu, where)

    @staticmethod
    def _printed(text: str) -> bytes:
        parts = [text[i : i + MAX_TEXT // 4] for i in range(0, len(text), MAX_TEXT // 4)]
        return b"".join(pack("print", part) for part in parts)

    def _next(self) -> list[Any] | None:
        """The next message; None when there is none yet and the script has more to do."""
        if (message := next(self._frames, None)) is not None:
            return message
        # A busy script that is near a limit may be over it before the host could warn it.
        patience = 0 if self._busy and not self._warned else IDLE
        if not self._readable(patience):
            if self._busy:
                return None
            if not self._told:
                self._channel.sendall(self._state(True))
        return self._read()

    def _readable(self, patience: float) -> bool:
        """Whether something comes in so many seconds. Where it came soon, waits for it awake."""
        channel, began = [self._channel], monotonic()
        if patience and self._prompt and self._awake > 0:
            while (waited := monotonic() - began) < SOON:
                if select.select(channel, [], [], 0)[0]:
                    self._awake -= waited
                    return True
            self._awake -= SOON
        readable = bool(select.select(channel, [], [], patience)[0])
        self._prompt = readable and monotonic() - began < SOON
        return readable

    def _read(self) -> list[Any]:
        while (message := next(self._frames, None)) is None:
            data = self._channel.recv(65536)
            if not data:
                os._exit(0)
            self._frames.feed(data)
        return message


def _failed(entry: int, error: LlmspellError) -> bytes:
    """Tells an error: without what the script raised where that does not fit beside the rest."""
    frame = pack("fail", entry, tell_error(error))
    if len(frame) > MAX_FRAME and isinstance(error, ScriptRuntimeError):
        error.value = None
        frame = pack("fail", entry, tell_error(error))
    return frame


Opening = tuple[Engine, Isolate]


def work(channel: socket.socket, parent: int, opening: Opening) -> None:
    """Serves one spell and ends the process, always without running the engine's finalizers."""
    code = 1
    try:
        Worker(channel, parent).serve(*opening)
    except (BrokenPipeError, ConnectionResetError):
        code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    finally:
        os._exit(code)


def read_names(stream: BinaryIO) -> tuple[Engine, Mapping[str, Signature]]:
    """What the host says first: the engine, and what is to be bound in it."""
    frames = Frames(TO_WORKER)
    while True:
        for _, name, names, folder in frames:
            bound = {n: Signature(tuple(params), *rest) for n, params, *rest in names}
            chosen = engine(name, machine_code=False)
            if isinstance(chosen, Prepares) and folder:
                # Brings OpenSSL, for which few have a use.
                from .chunk_files import ChunkFiles

                chosen.keep(ChunkFiles(folder))
            return chosen, bound
        data = stream.read(frames.missing)
        if not data:
            os._exit(0)
        frames.feed(data)


def warm(chosen: Engine, names: Mapping[str, Signature]) -> None:
    """Runs one small program, so that a worker finds everything loaded: locked down it cannot."""
    isolate = chosen.isolate(names, Limits())
    if "locals" in chosen.features:
        isolate.reveal()
    if "reproduce" in chosen.features:
        isolate.reproduce()
    chunk = chosen.compile(chosen.warm, "warm")
    isolate.allot(1.0, 1.0)
    isolate.run(1, chunk, b"{}")
    if "sandbox" in chosen.features:
        isolate.restrict(Sandbox("", frozenset(), frozenset()))
    isolate.close()
    gc.collect()
    gc.freeze()


class Zygote:
    """Forks workers, reaps them, kills those whose host has gone. Never runs a script itself."""

    def __init__(
        self, control: socket.socket, chosen: Engine, names: Mapping[str, Signature]
    ) -> None:
        self._control = control
        self._engine, self._names = chosen, names
        self._channels: dict[int, socket.socket] = {}
        self._spare: tuple[int, socket.socket] | None = None
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._poll.register(self._wake, select.POLLIN)

    def serve(self) -> None:
        """Works until the host closes the control socket."""
        while True:
            ready = self._poll.poll(AHEAD if self._spare is None else None)
            if not ready:
                self._prepare_spare()
            for descriptor, event in ready:
                if descriptor == self._wake:
                    os.read(self._wake, 4096)
                elif descriptor != self._control.fileno():
                    self._kill(descriptor)
                elif event & select.POLLIN and not self._hand_out():
                    return
            self._reap()

    def _fork(self) -> tuple[int, socket.socket]:
        """One more worker, which waits for its channel on the socket that comes with it."""
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            theirs.close()
            return pid, ours
        signal.set_wakeup_fd(-1)
        for held in (ours, self._control, *self._channels.values()):
            held.close()
        opening = self._engine, self._engine.isolate(self._names, Limits())
        _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
        if not descriptors:
            os._exit(0)
        work(socket.socket(fileno=descriptors[0]), parent, opening)
        raise AssertionError

    def _prepare_spare(self) -> None:
        with suppress(OSError):
            self._spare = self._fork()

    def _hand_out(self) -> bool:
        """Takes one request. Tells whether there may be more."""
        data, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if not data:
            return False
        for descriptor in descriptors:
            channel = socket.socket(fileno=descriptor)
            try:
                self._channels[self._give(channel)] = channel
                self._poll.register(channel, select.POLLHUP)
            except OSError:
                # There can be no more processes: the host sees its channel closed.
                channel.close()
        return True

    def _give(self, channel: socket.socket) -> int:
        """Gives the channel to the spare worker, or to a new one; gives its process id."""
        while True:
            (pid, waiting), spare = self._spare or self._fork(), self._spare
            self._spare = None
            try:
                with waiting:
                    socket.send_fds(waiting, [b"."], [channel.fileno()])
                return pid
            except OSError:
                if spare is None:
                    raise

    def _kill(self, descriptor: int) -> None:
        for pid, channel in self._channels.items():
            if channel.fileno() == descriptor:
                os.kill(pid, signal.SIGKILL)
                self._poll.unregister(descriptor)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._spare is not None and pid == self._spare[0]:
                self._spare[1].close()
                self._spare = None
            channel = self._channels.pop(pid, None)
            if channel is None:
                continue
            with suppress(KeyError):
                self._poll.unregister(channel)
            channel.setblocking(False)
            with channel, suppress(OSError):
                channel.send(exit_frame(status), socket.MSG_NOSIGNAL)


def main() -> None:
    """Serves until the host closes: arguments are a descriptor, and "zygote" or "worker"."""
    descriptor, mode = sys.argv[1:3]
    chosen, names = read_names(sys.stdin.buffer)
    if sys.platform == "win32":
        channel = socket.fromshare(sys.stdin.buffer.read())
    else:
        channel = socket.socket(fileno=int(descriptor))
    if mode == "zygote":
        prepare()
        warm(chosen, names)
        Zygote(channel, chosen, names).serve()
    else:
        warm(chosen, names)
        work(channel, os.getppid(), (chosen, chosen.isolate(names, Limits())))
