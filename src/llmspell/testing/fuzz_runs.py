"""The runs of the fuzzer: what each is made of, and the process that makes them and counts."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from time import monotonic, process_time
from typing import Any, NamedTuple

from ..engines.base import Engine
from ..errors import CapabilityError, LimitExceeded, ScriptError, SpellCrashed
from ..host.services import LIBRARIES, import_libraries
from ..host.settings import Settings
from ..limits import LEVEL_LIMITS
from ..runtime.isolation import IsolatedEngine
from ..runtime.result import Result
from ..runtime.session import Session
from ..spells.program import Program
from .mutations import Spell, mutated, mutated_frames, read_spells

MODES = ("none", "process", "frames")
"""Where a spell is run: in this process, in a worker; or frames, in the place of a worker."""

ENGINES = ("lua54", "lua54", "lua55")
FINE = (ScriptError, CapabilityError, LimitExceeded, SpellCrashed)
"""Errors a run may end with. An InternalError is ours and a UsageError nobody's: findings."""

LIMITS: tuple[dict[str, Any], ...] = (
    {"steps": 3000, "time": 0.2, "memory": "8MB"},
    {"steps": 3000, "time": 0.2, "memory": "16MB"},
    {"time": 0.03, "memory": "8MB"},
    {"time": 0.03, "memory": "64MB"},
)
SMALL = {"calls": 50, "tasks": 20, "output": 20_000, "disk": 200_000}

GROWTH = 50e6
"""Bytes in use by which the memory of the host may grow over all the runs of one process."""

SECRET = "fuzz-planted-secret"
HOME = os.path.dirname(os.path.dirname(__file__))
MARKS = (SECRET, HOME, "Traceback (most recent call last)")
"""What no run may leave in its output, result, error or log."""

CANARY = """
local Account = setmetatable({}, {
  __call = function(class, n) return setmetatable({n = n}, class) end,
})
Account.__index = Account
Account.__add = function(a, b) return Account(a.n + b.n) end
function Account:show() return ("%d!"):format(self.n) end
local squares = {}
for n in coroutine.wrap(function() for n = 1, 4 do coroutine.yield(n * n) end end) do
  table.insert(squares, math.floor(n))
end
local ok, why = pcall(error, {code = "mine"})
return {
  (Account(40) + Account(2)):show(), table.concat(squares, " "), ok, why.code,
  json.decode(json.encode({list = squares})).list[3], ("a,b"):gsub(",", ";"), tostring(print),
  await(async(function() return #squares end)), llm.generate("x y") ~= "",
}
"""
SINGS = ["42!", "1 4 9 16", False, "mine", 9, "a;b", "function", 4, True]


def by_name(mode: str, name: str) -> str | Engine:
    """The engine of a run: the one of that name, which the session knows how to isolate."""
    return name


class Plan(NamedTuple):
    """What is fuzzed. All of it can be sent to another process.

    folders: where the spells to mutate are: Lua files, conformance tables.
    seed: where the random choices of all runs start.
    shares: how often each of MODES is chosen.
    every: after how many runs the canary sings and everything is counted.
    patience: seconds a process may be silent before it is held for hanging.
    late: seconds a run may go on after its time limit, by the processor or a sixth of them by the
        clock: a bound against hanging, no measurement.
    engine: gives the engine of a run by its mode and name.
    """

    folders: tuple[Path, ...]
    seed: int = 1
    shares: tuple[int, ...] = (5, 4, 1)
    every: int = 100
    patience: float = 60.0
    late: float = 5.0
    engine: Callable[[str, str], str | Engine] = by_name


class Input(NamedTuple):
    """One run: where, in what, within which limits, and the spell or the frames."""

    mode: str
    engine: str
    limits: dict[str, Any]
    source: str
    frames: tuple[bytes, bytes]

    def __str__(self) -> str:
        text = repr(self.frames) if self.mode == "frames" else self.source
        shown = text.encode(errors="backslashreplace").decode()
        return f"{self.mode}, {self.engine}, {self.limits}\n{shown}"


def make_input(plan: Plan, number: int, spells: Sequence[Spell]) -> Input:
    """The input of run `number`."""
    random = Random(f"{plan.seed}/{number}")
    (mode,) = random.choices(MODES, plan.shares)
    engine, limits = random.choice(ENGINES), {**random.choice(LIMITS), **SMALL}
    if mode == "frames":
        return Input(mode, engine, limits, "return 1", mutated_frames(random))
    fit = spells if mode == "process" else [spell for spell in spells if not spell.alone]
    return Input(mode, engine, limits, mutated(random, fit), (b"", b""))


class Told(NamedTuple):
    """How a run, or the count after it (ending ""), came out. `wrong` is "" when all was well."""

    number: int
    mode: str
    ending: str
    wrong: str = ""
    grown: float = 0.0


def work(plan: Plan, numbers: Sequence[int], folder: str, pipe: Connection) -> None:
    """Makes the runs of these numbers and tells of each; what a process of its own does."""
    # Nothing of the user's is in reach of a mutated spell: no key, no configuration, no server.
    os.environ.clear()
    os.environ |= {"PATH": os.defpath, "HOME": folder, "OLLAMA_HOST": "127.0.0.1:1",
                   "PLANTED_API_KEY": SECRET, "FUZZ_SEEN": "seen"}  # fmt: skip
    asyncio.run(_Runner(plan, tempfile.mkdtemp(dir=folder)).work(numbers, pipe))


class _Hostile:
    """Starts, in the place of a worker, a thread that sends the frames and hangs up."""

    frames = b"", b""

    def __call__(self, channel: socket.socket) -> None:
        threading.Thread(target=self._serve, args=(channel.dup(), *self.frames)).start()

    @staticmethod
    def _serve(channel: socket.socket, *parts: bytes) -> None:
        with channel:
            try:
                for part in filter(None, parts):
                    channel.recv(65536)
                    channel.sendall(part)
                channel.shutdown(socket.SHUT_WR)
                while channel.recv(65536):
                    pass
            except OSError:
                pass  # the host has hung up first


class _Runner:
    """Makes runs, one after another, as a program that embeds llmspell would."""

    def __init__(self, plan: Plan, folder: str) -> None:
        self._plan = plan
        self._root = os.path.join(folder, "root")
        os.mkdir(self._root)
        Path(folder, "secret.txt").write_text(SECRET)
        self._hostile = _Hostile()
        self._log: list[Any] = []
        self._sessions: dict[tuple[str, str], Session] = {}
        self._unseen: list[str] = []

    def _watch(self) -> None:
        """Has told what Python would only write to stderr: it is an error of ours all the same."""

        def told(about: Any) -> None:
            self._unseen.append(f"{about.exc_value!r} in {about}")

        sys.unraisablehook = threading.excepthook = told
        warnings.simplefilter("error")
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, about: self._unseen.append(_trace(about.get("exception"), about))
        )

    async def work(self, numbers: Sequence[int], pipe: Connection) -> None:
        spells = read_spells(self._plan.folders)
        self._watch()
        try:
            normal = await self._normal()
            pipe.send(Told(numbers[0], "", ""))
            for place, number in enumerate(numbers, 1):
                pipe.send(await self._run(number, make_input(self._plan, number, spells)))
                if place % self._plan.every == 0 or place == len(numbers):
                    pipe.send(await self._count(number, normal))
        finally:
            for session in self._sessions.values():
                await session.aclose()

    def _session(self, mode: str, name: str) -> Session:
        if (mode, name) not in self._sessions:
            hostile = mode == "frames"
            session = self._sessions[mode, name] = Session(
                engine=IsolatedEngine(name, self._hostile) if hostile
                else self._plan.engine(mode, name),
                level="untrusted",
                allow=[f"fs:{self._root}/**", "llm:test/*", "tool", "env"],
                model="test/offline",
                folder=self._root,
                settings=Settings(),
                stdin=io.StringIO("a line\n" * 5),
                log=lambda *told: self._log.append(told),
            )  # fmt: skip
            if mode == "none":
                session.isolation = mode  # the constructor refuses it for spells of strangers
        return self._sessions[mode, name]

    async def _run(self, number: int, made: Input) -> Told:
        session = self._session(made.mode, made.engine)
        self._log.clear()
        self._hostile.frames = made.frames
        source = made.source.replace("{root}", self._root).replace("{server}", "127.0.0.1:1")
        source = source.replace("{outside}", os.path.dirname(self._root))
        began, busy = monotonic(), process_time()
        try:
            result = await session.attempt(Program(source, "spell"), limits=made.limits)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            return Told(number, made.mode, type(error).__name__, _trace(error))
        # Of a machine that is busy itself this process may have only a part.
        spent = max(process_time() - busy, (monotonic() - began) / 6)
        late = spent - float(made.limits["time"])
        wrong = "; ".join(self._complaints(result, late))
        return Told(number, made.mode, _ending(result), wrong)

    def _complaints(self, result: Result, late: float) -> list[str]:
        wrong = []
        if result.error is not None and not isinstance(result.error, FINE):
            wrong.append(f"ended with {type(result.error).__name__}: {result.error}")
        if late > self._plan.late:
            wrong.append(f"ended {late:.1f} s after its time limit")
        wrong += [f"went wrong unseen: {text}" for text in self._unseen]
        self._unseen.clear()
        if (tasks := len(asyncio.all_tasks()) - 1) > 0:
            wrong.append(f"left {tasks} tasks")
        try:
            # A value may hold bytes; text may not hold what no UTF-8 can say.
            record = json.dumps(result.as_dict(), default=bytes.hex, ensure_ascii=False)
            left = record + repr((result.value, self._log)) + str(result.error)
            left.encode()
        except (TypeError, ValueError) as error:
            return [*wrong, f"cannot be told: {error}"]
        return wrong + [f"left {mark!r} behind" for mark in MARKS if mark in left]

    # What must be as it was.

    async def _normal(self) -> tuple[int, ...]:
        for _ in range(2):
            if wrong := await self._sing():
                raise RuntimeError(f"before anything was run, {wrong}")
        for namespace in LIBRARIES:
            import_libraries(namespace)  # what is imported once is no growth
        self._allocated = _allocated()
        return _held()

    async def _sing(self) -> str:
        limits = LEVEL_LIMITS["untrusted"]._asdict()
        for mode in ("none", "process"):
            for name in sorted(set(ENGINES)):
                program = Program(CANARY, "canary")
                result = await self._session(mode, name).attempt(program, limits=limits)
                if result.value != SINGS:
                    return f"the canary sang {result.value} in {mode}, {name}: {result.error}"
        return ""

    async def _count(self, number: int, normal: tuple[int, ...]) -> Told:
        wrong = await self._sing()
        _empty(self._root)
        for _ in range(40):
            held = _held()
            more = any(now > before for now, before in zip(held, normal, strict=True))
            if not more:
                break  # a process that has ended, and its descriptors, are missed by nobody
            await asyncio.sleep(0.05)  # the next worker is forked, the last one reaped, soon
        if more:
            wrong += f"descriptors, processes, zombies: {held}, not {normal}; "
        grown = _allocated() - self._allocated
        if grown > GROWTH:
            wrong += f"the host has grown by {grown / 1e6:.0f} MB"
        where = wrong and f"after the {self._plan.every} runs up to this one: {wrong}"
        return Told(number, "", "", where, grown)


def _ending(result: Result) -> str:
    if result.error is None:
        return "ok"
    number = getattr(result.error, "signal", None)
    by = f" ({signal.Signals(number).name})" if number else ""
    return type(result.error).__name__ + by


def _trace(error: BaseException | None, about: Any = "") -> str:
    return "".join(traceback.format_exception(error)) if error is not None else str(about)


def _empty(folder: str) -> None:
    # shutil.rmtree gives up on folders nested thousands deep.
    subprocess.run(["rm", "-rf", folder], check=True)
    os.mkdir(folder)


def _held() -> tuple[int, ...]:
    """Descriptors of this process, and of its children; processes below it, zombies among them."""
    own = os.getpid()
    states = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, (state, parent) = path.parent.name, path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        states[int(pid)] = state, int(parent)
    children = {pid for pid, (_, parent) in states.items() if parent == own}
    below = children | {pid for pid, (_, parent) in states.items() if parent in children}
    alive = [pid for pid in children if states[pid][0] != "Z"]
    theirs = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in alive)
    zombies = sum(states[pid][0] == "Z" for pid in below)
    return len(os.listdir("/proc/self/fd")), theirs, len(below), zombies


class _Allocations(ctypes.Structure):
    """What the C library knows of its memory: `struct mallinfo2` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


def _allocated() -> float:
    """Bytes in use, those of Python among them: a process of the fuzzer has no other allocator.

    What is resident tells less: the allocator keeps what has come free between blocks in use.
    """
    gc.collect()
    tell = ctypes.CDLL(None).mallinfo2
    tell.restype = _Allocations
    told = tell()
    return float(told.uordblks + told.hblkhd)
