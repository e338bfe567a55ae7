"""One script of JavaScript: its turns, its limits, and what it waits for.

The VM cannot be suspended in the middle of a script. So a turn works in a thread of its own: one
that is not over in time is answered with `Busy`, and goes on meanwhile. What has come until then is
given, and answers are kept until the script comes to rest. A spell that waits holds no thread.

What must be known at once - the source of a module, the time - is a call like any other, for whose
answer the thread waits.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from ..errors import (
    LIMIT_ERRORS,
    CapabilityError,
    Frame,
    HostFailure,
    InternalError,
    LimitExceeded,
    LlmspellError,
    MemoryLimit,
    ScriptRuntimeError,
    StackLimit,
)
from ..limits import Limits, mark
from ..values import dumps
from .base import (
    Answer,
    Busy,
    Call,
    Chunk,
    Compile,
    Done,
    Ended,
    EngineUsage,
    Waiting,
)
from .javascript_sources import Sources, ended
from .javascript_threads import resting, threads
from .quickjs import PAGE, Host, Image, Trapped, Vm

PAUSE, MOST_PAUSE = 0.5, 0.008
"""Of the seconds a turn has taken, the share it is left to itself before the host asks again; and
the most. The loop does not wake for a thread that computes anyway."""

SLOW_STOP = 0.1
"""Seconds the host waits for a script that is to stop, so that it can be told where it was."""

DEEPEST = "some 4000 calls within each other"

MOST_OUTPUT = 256 * 1024
"""Characters of output that may wait to be taken, until the script must."""


class JavaScriptIsolate(Host):
    """One VM and what it waits for."""

    def __init__(
        self,
        made: Image,
        output: str,
        modules: Mapping[str, str],
        limits: Limits,
        alone: bool = False,
    ) -> None:
        self._vm = Vm(made, self)
        self._alone = alone
        self._last_call = 0
        self._calls: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._output, self._modules = output, modules
        self.confine(limits)
        # Until it is told how long a turn may take, it is waited for: a busy machine is slow.
        self._seconds, self._remaining = 1.0, 1e9
        self._cpu = self._began = 0.0
        self._over: LlmspellError | None = None
        self._entries: set[int] = set()
        self._sources = Sources()
        self._lock = threading.Lock()
        self._using = threading.Lock()  # held by who works with the VM
        self.rested, self.told = 0.0, False
        self._rest = threading.Lock()
        self._rest.acquire()
        self._inbox: deque[bytes] = deque()
        self._out = Answer()
        self._running = self._closed = False
        self._asking = 0
        self._answered = threading.Lock()
        self._answered.acquire()
        self._told: bytes | CapabilityError = b"null"
        self._printed = 0
        self._room = threading.Event()
        self._room.set()
        self._in_flight = self._tasks = self._held = self._peak = 0
        self._near: set[str] = set()
        self._time: int | None = None
        self._where: tuple[Frame, ...] = ()
        self._stopping = ""

    def confine(self, limits: Limits) -> None:
        """Replaces the limits."""
        self._limits = limits
        self._vm.limit_memory(limits.memory)
        self._vm.limit_steps(limits.steps)

    def answers(self) -> bool:
        """Takes an empty turn."""
        answer = self._go(b"proceed 0\n")
        return self._over is None and not isinstance(answer, Busy)

    def compile_with(self, compile: Compile) -> None:
        """Has modules compiled by this."""
        self._compile = compile

    def reveal(self) -> None:
        """Nothing: the VM cannot tell what variables held."""

    def reproduce(self) -> None:
        """Nothing: what comes of a message depends on the messages before it alone."""

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program."""
        self._entries.add(entry)
        name = self._sources.program = chunk.name or "program"
        self._sources.source = chunk.source
        self._sources.add(name, name, chunk.code)
        limits = self._limits
        said = dumps([name, seed, limits.depth, limits.tasks or 2**53])
        self._inbox.append(b"params 0\n" + params)
        return self._go(b"run %d\n%b" % (entry, said.encode()))

    def call(self, entry: int, function: int | str, args: bytes) -> Answer:
        """Starts a function the script handed out, or a global one."""
        self._entries.add(entry)
        name = function if isinstance(function, str) else f"#{function}"
        return self._go(b"call %d %b\n%b" % (entry, name.encode(), args))

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers one call."""
        if call_id == self._asking:
            return self._reply(call_id, answer)
        call_id = self._of_script(call_id)
        if isinstance(answer, bytes):
            return self._go(b"resume %d\n%b" % (call_id, answer))
        from ..records import tell

        said = {"capability": answer.capability, **tell(answer), "class": type(answer).__name__}
        return self._go(b"refuse %d\n%b" % (call_id, dumps(said).encode()))

    def proceed(self) -> Answer:
        """Waits for one more turn."""
        return self._go()

    def abandon(self, entry: int) -> Answer:
        """Drops an entry."""
        self._entries.discard(entry)
        return self._go(b"abandon %d\n" % entry)

    def deadlock(self, waits: Mapping[int, str]) -> Answer:
        """Ends every entry: the calls in flight will never be answered."""
        told = {str(self._calls.get(number, 0)): what for number, what in waits.items()}
        answer = self._go(b"deadlock 0\n" + dumps(told).encode())
        if self._entries and not isinstance(answer, Busy):
            # Where memory has run out in the middle, promises are left that nothing settles.
            last = self.interrupt(self._over or self._limit_error("memory"))
            answer.ended += last.ended
        return answer

    def interrupt(self, reason: LlmspellError) -> Answer:
        """Ends every entry. A script that is running stops soon; nothing it does counts."""
        if self._over is None:
            self._over = reason
            if self._running and not self._closed:
                self._wake()
                self._rest.acquire(timeout=SLOW_STOP)
        told = isinstance(reason, LimitExceeded) and not isinstance(reason, MemoryLimit)
        if told and not reason.frames:
            reason.frames = self.where()
        ended = [Ended(entry, error=self._over) for entry in sorted(self._entries)]
        self._entries.clear()
        with self._lock:
            calls = [call for call in self._out.calls if call.id == 0]
            self._out = Answer()
        return Done(calls, ended=ended)

    def where(self) -> tuple[Frame, ...]:
        """Where the script stood when it last came to rest: a call that waits."""
        return self._where

    def usage(self) -> EngineUsage:
        """Steps, counted by COUNTED; bytes now; processor seconds."""
        began = self._began
        cpu = self._cpu + (perf_counter() - began if began else 0.0)
        return EngineUsage(self._steps, self._held, cpu, self._peak, self._tasks)

    def allot(self, seconds: float, remaining: float) -> None:
        """Sets the length of a turn."""
        self._seconds, self._remaining = seconds, remaining

    def close(self) -> None:
        """Frees the VM, as soon as it has come to rest."""
        self._over = self._over or InternalError("the isolate is closed")
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = self._running
        if running:
            self._wake()
        else:
            with self._using:
                self._vm.close()

    def fold(self) -> None:
        """Gives back the memory it does not need while it waits, if it still does."""
        if self._using.acquire(blocking=False):
            try:
                if not (self._running or self._closed):
                    self._vm.fold()
            finally:
                self._using.release()

    _steps = 0
    _ending = False

    # Turns. -------------------------------------------------------------------------------------

    def _go(self, message: bytes = b"") -> Answer:
        """Gives the VM a message, and what has come from it in the time of a turn."""
        if self._over is not None:
            return self.interrupt(self._over)
        with self._lock:
            if message:
                self._inbox.append(message)
            start = bool(self._inbox) and not self._running
            if start:
                self._rest.acquire(blocking=False)
                self._running = True
        if start and self._alone:
            self.work()
        elif start:
            threads.run(self)
        return self._answer()

    def _answer(self) -> Answer:
        rested = not self._running or self._rest.acquire(
            timeout=max(0.0, min(self._seconds, self._remaining))
        )
        with self._lock:
            out, self._out = self._out, Answer()
            self._printed = 0
            self._room.set()
            if self._over is None and self._stopping:
                self._over = self._limit_error(self._stopping)
                self._over.frames = self._where
        out.near = self._warnings()
        self._entries.difference_update(ended.entry for ended in out.ended)
        if self._over is not None:
            last = self.interrupt(self._over)
            out.calls = [call for call in out.calls if call.id == 0] + last.calls
            out.cancelled.clear()  # calls that the host is not told of any more may be among them
            out.ended += last.ended
            return _as(Done, out)
        if not rested:
            took = perf_counter() - began if (began := self._began) else 0.0
            pause = min(took * PAUSE, MOST_PAUSE)
            return Busy(out.calls, out.cancelled, out.ended, out.dropped, out.near, pause=pause)
        if self._entries and not (self._in_flight or self._asking or out.calls or self._ending):
            self._ending = True
            return self.deadlock({})
        return _as(Waiting if self._entries else Done, out)

    def _warnings(self) -> tuple[str, ...]:
        used = {"steps": self._steps, "memory": self._held}
        near = tuple(
            name
            for name, amount in used.items()
            if name not in self._near
            and amount > mark(getattr(self._limits, name), self._limits.warn)
        )
        self._near.update(near)
        return near

    def _wake(self) -> None:
        """Has a thread that waits for the host go on, to its end."""
        self._room.set()
        if self._asking:
            self._asking = 0
            self._answered.release()

    def work(self) -> None:
        """Takes messages until there are none. In a thread of its own."""
        while True:
            with self._lock:
                if not self._inbox or self._over is not None or self._stopping:
                    self._running = False
                    closed = self._closed
                    self._rest.release()
                    break
                message = self._inbox.popleft()
            with self._using:
                self._take_turn(message)
        if closed:
            with self._using:
                self._vm.close()
        elif self._entries and not self._alone:
            resting.add(self)

    def _take_turn(self, message: bytes) -> None:
        self._began = perf_counter()
        self._time = None
        try:
            told = self._vm.turn(message)
        except (Trapped, MemoryError) as error:
            told = self._broken(error)
        except Exception as error:  # noqa: BLE001 - a thread that ends unseen hangs the run
            self._over = self._over or InternalError(f"{type(error).__name__}: {error}")
            told = b""
        began, self._began = self._began, 0.0
        self._cpu += perf_counter() - began
        if told:
            self._receive(told)
        elif self._over is None and not self._stopping:
            # The prelude always tells something, unless there is no memory for it.
            self._stopping = "memory"

    def _broken(self, error: Exception) -> bytes:
        """What ends the run when the VM stopped in the middle."""
        if self.stopped():
            pass
        elif self._vm.is_stopped():
            self._stopping = "steps"
        elif isinstance(error, Trapped) and error.deep:
            # The frames are as they were: it can still say where.
            where = self._deepest()
            self._over = self._over or StackLimit(DEEPEST)
            self._over.frames = self._over.frames or where
        elif isinstance(error, MemoryError) or self._is_full():
            # QuickJS aborts where it has no room for what it cannot do without.
            self._stopping = "memory"
        else:
            text = str(error).rpartition(": ")[2].strip()
            self._over = self._over or ScriptRuntimeError(f"the VM failed: {text}")
        return b""

    def _is_full(self) -> bool:
        return self._limits.memory is not None and self._held > self._limits.memory - PAGE

    def _deepest(self) -> tuple[Frame, ...]:
        try:
            return self._sources.frames(json.loads(self._vm.collect(b"where")))
        except (Trapped, MemoryError, ValueError):
            return ()

    def _receive(self, told: bytes) -> None:
        """Takes the events of a turn. What is none ends the run, or it would hang."""
        try:
            self._take(json.loads(told))
        except Exception as error:  # noqa: BLE001 - the VM told it, and is not to be trusted
            self._over = self._over or InternalError(f"the prelude told no events: {error!r:.200}")

    def _take(self, events: list[Any]) -> None:
        self._steps, self._held = self._vm.steps(), max(0, self._vm.size() - self._vm.base)
        self._peak = max(self._peak, self._held)
        own = "steps" if self._vm.is_stopped() else "memory" if self._is_full() else ""
        with self._lock:
            out = self._out
            for kind, number, a, b in events:
                if kind == "call":
                    out.calls.append(Call(self._numbered(number), a, b.encode()))
                elif kind == "print":
                    out.calls.append(Call(0, self._output, a.encode()))
                elif kind == "cancel":
                    if number in self._numbers:
                        out.cancelled.append(self._numbers[number])
                        self._of_script(self._numbers[number])
                elif kind == "later":
                    self._inbox.append(b"later %d\n" % number)
                elif kind == "drop":
                    pairs = map(int, a.split())
                    out.dropped += zip(pairs, pairs, strict=True)
                elif kind == "state":
                    where, self._in_flight, self._tasks = json.loads(b)
                    self._where = self._sources.frames(where)
                    self._stopping = a or own
                elif kind == "done":
                    out.ended.append(ended(number, a.encode()))
                else:
                    out.ended.append(Ended(number, error=self._sources.failure(a)))
            if self._stopping or self._over is not None:
                out.ended.clear()

    # Calls are numbered as they are told to the host: those of the script, which it numbers itself,
    # and those made while it runs.

    def _numbered(self, call: int) -> int:
        self._last_call += 1
        self._calls[self._last_call] = call
        self._numbers[call] = self._last_call
        return self._last_call

    def _of_script(self, number: int) -> int:
        """The script's own number of a call that ends."""
        call = self._calls.pop(number, 0)
        self._numbers.pop(call, None)
        return call

    # What the VM asks while it runs. ------------------------------------------------------------

    def over(self) -> bool:
        """Whether the run is over."""
        return self._over is not None or self._closed or bool(self._stopping)

    def stopped(self) -> bool:
        """The same; looks how much memory it takes."""
        if self._limits.memory is not None:
            self._held = max(0, self._vm.size() - self._vm.base)
        return self.over()

    def flush(self, text: str) -> str:
        """What a script that has not come to rest says: output, a limit, a question.

        After "+" it is output, after NUL the limit that ends it, after "?" the name of a module
        that it could not have: the answer tells why.
        """
        if text.startswith("?"):
            return dumps(self._sources.why(text[1:]))
        if text.startswith("\0"):
            limit = text[1:] if text[1:] in ("memory", "tasks") else "memory"
            self._stopping = self._stopping or limit
            self._vm.stop()
            return ""
        text = text[1:]
        with self._lock:
            if self._over is None:
                self._out.calls.append(Call(0, self._output, text.encode()))
                self._printed += len(text)
                if self._printed > MOST_OUTPUT:
                    self._room.clear()
        self._room.wait()
        return ""

    def clock(self) -> int:
        """The time as of this turn: it stands still while the script computes."""
        if self._time is None:
            told = self._ask("time.now") if "time" in self._modules else b"0"
            self._time = int(float(told) * 1e9) if isinstance(told, bytes) else 0
        return self._time

    def resolve(self, base: str, specifier: str) -> str:
        """The name of a module as its importer means it: the same for the same file."""
        known = self._sources.named(base, specifier, self._modules)
        if known is not None:
            return known
        wanted = self._sources.wanted(base, specifier)
        told = self._ask("module.load", self._sources.asked(wanted))
        if not isinstance(told, bytes):
            return self._sources.refuse(wanted, told)
        found = json.loads(told)
        return self._sources.take(wanted, found["name"], found["source"], self._compile)

    def source(self, name: str) -> str | None:
        """The source of a module that was found."""
        return self._sources.texts.get(name)

    def _ask(self, name: str, *args: Any) -> bytes | CapabilityError:
        """Makes a call and waits for its answer, in the thread of the VM."""
        with self._lock:
            if self._over is not None or self._alone:
                return HostFailure("the run is over")
            self._last_call += 1
            self._asking = self._last_call
            self._told = HostFailure("the run is over")
            self._out.calls.append(Call(self._asking, name, dumps(list(args)).encode()))
            self._rest.release()
        self._answered.acquire()
        return self._told

    def _reply(self, number: int, answer: bytes | CapabilityError) -> Answer:
        with self._lock:
            if self._asking == number:
                self._rest.acquire(blocking=False)
                self._asking, self._told = 0, answer
                self._answered.release()
        return self._go()

    def _limit_error(self, name: str) -> LimitExceeded:
        unit = {"memory": "bytes", "steps": "steps", "tasks": "tasks"}[name]
        return LIMIT_ERRORS[name](f"{getattr(self._limits, name)} {unit}")


def _as(kind: type[Answer], out: Answer) -> Answer:
    return kind(out.calls, out.cancelled, out.ended, out.dropped, out.near)
