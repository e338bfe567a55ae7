"""The Lua engine, on lupa: 5.4 by default, 5.5 and LuaJIT by name.

One `LuaRuntime` an isolate. Nothing of lupa's Python bridge is left inside: the prelude empties
`_G`, only byte strings and numbers are pushed, and Lua never calls Python.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from ..errors import (
    CAPABILITY_ERRORS,
    LIMIT_ERRORS,
    CapabilityError,
    Frame,
    HostFailure,
    InternalError,
    LimitExceeded,
    LlmspellError,
    MemoryLimit,
    ScriptFailure,
    ScriptRuntimeError,
    ScriptSyntaxError,
    Variables,
)
from ..limits import Limits, mark
from ..values import MAX_BYTES, dumps
from .base import (
    Answer,
    Bound,
    Busy,
    Call,
    Chunk,
    Compile,
    Done,
    Ended,
    EngineUsage,
    Sandbox,
    Signature,
    Waiting,
)
from .lua_compiler import (
    absence,
    compiled,
    compiler,
    frames_of,
    position,
    runtime,
    short,
    tail_call,
)
from .lua_prelude import (
    PLAIN,
    binding,
    enumerates,
    lazy,
    needs_builtins,
    needs_parts,
    nested,
    part,
    prelude,
    readers,
    wanted,
)

Load = tuple[int, bytes, bytes]
"""Text a script wants loaded: number of the call, name, text."""

KINDS = (Done, Waiting, Busy)
"""What the prelude's states mean."""
DONE, WAITING, BUSY = 0, 1, 2

VERSIONS = {"lua": "lua54", "lua54": "lua54", "lua55": "lua55", "luajit": "luajit21"}
"""Engine name -> lupa module. 5.1 is left out: its bundled parser has a known use-after-free."""

NO_LIMIT = 2**53
"""Stands for no limit inside the VM."""

COLLECTIONS = 3
"""How often at most garbage is collected for the soft limit of memory: it takes time by the size
of what is held."""

PUSH_ROOM = 64 * 1024
"""Bytes of memory kept free while the host pushes: at its limit, a push aborts the process."""


class LuaEngine:
    """Lua behind the engine protocol. `name` is one of VERSIONS."""

    suffixes = (".lua",)
    warm = "local t = {('x'):rep(2), tostring(1), math.pi, pcall(error)} return {#t}"

    def __init__(self, name: str = "lua", machine_code: bool = True) -> None:
        self.name = name
        self._interpreted = name == "luajit" and not machine_code
        self._module = VERSIONS[name]
        exact = set() if name == "luajit" else {"int64"}
        kept = {"steps", "preempt", "memory", "locals", "sandbox", "reproduce"}
        self.features = frozenset(kept | exact)
        self._bound = Bound(binding)

    @property
    def version(self) -> str:
        """The Lua in there, and what brought it: "Lua 5.4, lupa 2.8"."""
        lupa = importlib.import_module(f"lupa.{self._module}")
        package = importlib.import_module("lupa").__version__
        return f"Lua {'.'.join(map(str, lupa.LUA_VERSION))}, lupa {package}"

    def compile(self, source: str, name: str) -> Chunk:
        """Checks the syntax of the unmodified source, then puts the safepoints in."""
        return Chunk(self.name, name, source, compiled(self._module, source, name))

    @property
    def form(self) -> str:
        """The version, and a digest of the source of the compiler itself."""
        return f"{self.version} {compiler()}"

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> LuaIsolate:
        """Makes a fresh Lua state with `names` bound."""
        isolate = LuaIsolate(self._module, *self._bound.of(names), limits, self._interpreted)
        isolate.compile_with(self.compile)
        return isolate


class LuaIsolate:
    """One Lua state and the tasks in it.

    It begins with its first turn: that of a program which is known then may do with less.
    """

    def __init__(
        self, module: str, names: bytes, output: str, limits: Limits, interpreted: bool = False
    ) -> None:
        self._module = module
        self._output = output
        self._lua = runtime(module, 0)
        if interpreted:
            self._lua.execute(b"jit.off()")
        self._names = names
        self._prelude = prelude(module)
        self._turn: Any = None
        self._base = self._used = self._peak = self._limit = 0
        self._crowded: float = 0
        self._lacking = dict(lazy(module, names))
        self._raised = self._grown = False
        self._sandbox: Sandbox | None = None
        self._soft_steps: float = NO_LIMIT
        self._program = ("", "")
        self._chunks: set[str] = set()
        self.confine(limits)
        self._seconds, self._remaining = 0.005, 1e9
        self._steps, self._tasks, self._collections, self._cpu = 0, 0, 0, 0.0
        self._over: LlmspellError | None = None
        self._entries: set[int] = set()
        self._loads: list[Load] = []
        self._paused = False

    def confine(self, limits: Limits) -> None:
        """Replaces the limits."""
        self._limits = limits
        if self._turn is not None:
            self._limit = self._base + limits.memory if limits.memory else 0
            self._crowded = self._base + mark(limits.memory, limits.warn)
            self._lua.set_max_memory(self._limit)

    def _begin(self, chunk: bytes) -> None:
        """Runs the prelude."""
        self._turn = self._lua.compile(chunk, mode=b"b")()
        self._base = self._used = self._peak = self._lua.get_memory_used()
        self.confine(self._limits)

    def answers(self) -> bool:
        """Takes an empty turn."""
        self._go(b"proceed")
        return self._over is None

    def compile_with(self, compile: Compile) -> None:
        """Has loaded text compiled by this."""
        self._compile = compile

    def reveal(self) -> None:
        """Loads the part of the prelude that looks at variables."""
        self._go(b"reveal", part(self._module, "variables"))

    def reproduce(self) -> None:
        """Loads the part of the prelude that puts the keys of tables in order."""
        self._go(b"reproduce", part(self._module, "reproduce"))

    def restrict(self, sandbox: Sandbox) -> None:
        """Has the environment made smaller when the program starts."""
        self._sandbox = sandbox
        names = "\n".join(sandbox.allowed).encode()
        self._go(b"restrict", part(self._module, "sandbox"), names)

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program."""
        self._entries.add(entry)
        self._program = (chunk.name, chunk.source)
        self._chunks.add(short(chunk.name))
        _, words, _ = chunk.code.split("\n", 2)
        parts = self._parts(chunk)
        if self._turn is None and self._over is None:
            small = not parts and not needs_builtins(words)
            self._begin(self._prelude.small if small else self._prelude.chunk)
        # A namespace inside another is there when its name is anywhere in the program.
        inner = [name for name in nested(self._names) if name in chunk.code]
        words = words if words == "*" else " ".join([words, *sorted(inner)])
        bound = wanted(self._names, words, self._enumerates(chunk))
        program = (chunk.code.encode(), chunk.name.encode(), bound, params, seed)
        steps, tasks = self._limits.steps or NO_LIMIT, self._limits.tasks or NO_LIMIT
        self._soft_steps = mark(self._limits.steps, self._limits.warn)
        soft, crowded = min(self._soft_steps, steps), min(self._crowded / 1024, NO_LIMIT)
        bounds = steps, soft, crowded, tasks, self._limits.depth
        return self._go(b"run", entry, *program, *bounds, *parts, *self._needed(params))

    def _parts(self, chunk: Chunk) -> tuple[bytes, ...]:
        """The parts of the prelude that the program needs."""
        return self._prelude.parts if needs_parts(self._module, chunk.code) else ()

    def _enumerates(self, chunk: Chunk) -> bool:
        """Whether the program may reach functions that it does not mention."""
        return enumerates(chunk.code)

    def call(self, entry: int, function: int | str, args: bytes) -> Answer:
        """Starts a function the script handed out, or a global one."""
        self._entries.add(entry)
        ref = function.encode() if isinstance(function, str) else function
        return self._go(b"call", entry, ref, args, *self._needed(args))

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers one call."""
        if isinstance(answer, bytes):
            return self._go(b"resume", call_id, True, answer, *self._needed(answer))
        from ..records import tell

        said = {"capability": answer.capability, **tell(answer), "class": type(answer).__name__}
        told = dumps(said).encode()
        return self._go(b"resume", call_id, False, told, *self._needed(told))

    def proceed(self) -> Answer:
        """Goes on for one more turn."""
        return self._go(b"" if self._loads and not self._paused else b"proceed")

    def abandon(self, entry: int) -> Answer:
        """Drops the tasks of an entry."""
        self._entries.discard(entry)
        return self._go(b"abandon", entry)

    def deadlock(self, waits: Mapping[int, str]) -> Answer:
        """Ends every entry: the calls in flight will never be answered."""
        told = dumps({str(n): what for n, what in waits.items()}).encode()
        return self._go(b"deadlock", told, *self._give("composites", "reports"))

    def interrupt(self, reason: LlmspellError) -> Answer:
        """Ends every entry: the state is simply never resumed again."""
        self._over = self._over or reason
        told = isinstance(reason, LimitExceeded) and not isinstance(reason, MemoryLimit)
        if told and not reason.frames:
            reason.frames = self.where()
        ended = [Ended(entry, error=self._over) for entry in sorted(self._entries)]
        self._entries.clear()
        return Done(ended=ended)

    def where(self) -> tuple[Frame, ...]:
        """Where the first task that wants to go on stands, or one that waits."""
        if self._turn is None:
            return ()
        if self._limit:
            self._make_room(())
        try:
            *_, told = self._turn(b"where", 0.0, 0.0)
        except Exception:  # noqa: BLE001 - lupa raises one class for all; the memory may be full
            return ()
        return frames_of(told)

    def usage(self) -> EngineUsage:
        """Steps, bytes now, processor seconds."""
        held, peak = max(0, self._used - self._base), max(0, self._peak - self._base)
        return EngineUsage(self._steps, held, self._cpu, peak, self._tasks)

    def allot(self, seconds: float, remaining: float) -> None:
        """Sets the length of a turn."""
        self._seconds, self._remaining = seconds, remaining

    def close(self) -> None:
        """Frees the state."""
        self._over = self._over or InternalError("the isolate is closed")
        self._turn = self._lua = None

    def _needed(self, payload: bytes) -> tuple[bytes, ...]:
        """The parts of the prelude that read a payload, if they were not given."""
        if not self._lacking or payload in PLAIN:
            return ()
        parts = readers(payload)
        return self._give(*parts) if parts else ()

    def _give(self, *names: str) -> tuple[bytes, ...]:
        """Those of these parts that were not given yet: name and code, one after the other."""
        lacking = [(name, self._lacking.pop(name)) for name in names if name in self._lacking]
        self._grown = self._grown or bool(lacking)
        return tuple(item for name, code in lacking for item in (name.encode(), code))

    def _go(self, door: bytes, *args: Any) -> Answer:
        """One turn, and one more for each text the script wants compiled, as time allows."""
        if self._over is not None:
            return self.interrupt(self._over)
        if self._turn is None:
            self._begin(self._prelude.chunk)
        answer: Answer = Waiting()  # as most turns end
        until = perf_counter() + self._seconds
        state = self._step(door, args, answer) if door else DONE
        # Not in the middle of a turn: a program must do the same however fast it is.
        while self._loads and self._over is None and not self._paused:
            if perf_counter() > until:
                state = BUSY
                break
            number, name, text = self._loads.pop(0)
            state = self._step(b"resume", (number, *self._load(name, text)), answer)
        if self._over is not None:
            answer.ended += self.interrupt(self._over).ended
            state = DONE
        if state == WAITING:
            return answer
        return KINDS[state](
            answer.calls, answer.cancelled, answer.ended, answer.dropped, answer.near
        )

    def _step(self, door: bytes, args: tuple[Any, ...], answer: Answer) -> int:
        """One turn of the VM: its state."""
        began = perf_counter()
        if self._limit:
            self._make_room(args)
        try:
            told = self._turn(door, self._seconds, self._remaining, *args)
        except Exception as error:  # noqa: BLE001 - lupa raises one class for all
            self._over = self._crash(error)
            return 3
        finally:
            self._cpu += perf_counter() - began
        self._paused = told[0] == BUSY
        self._steps, self._tasks = told[1], told[2]
        lacks: tuple[bytes, ...] = ()
        if self._steps > self._soft_steps:
            answer.near, self._soft_steps = (*answer.near, "steps"), NO_LIMIT
        for i in range(3, len(told), 4):
            kind, number = told[i], told[i + 1]
            if kind == b"call":
                answer.calls.append(Call(number, told[i + 2].decode(), told[i + 3]))
            elif kind == b"print":
                answer.calls.append(Call(0, self._output, told[i + 2]))
            elif kind == b"load":
                self._loads.append((number, told[i + 2], told[i + 3]))
            elif kind == b"cancel":
                self._cancel(number, answer)
            elif kind == b"drop":
                pairs = map(int, told[i + 2].split())
                answer.dropped += zip(pairs, pairs, strict=True)
            elif kind == b"need":
                # Errors are told as values that hold others.
                lacks += self._give("composites", told[i + 2].decode())
            elif kind == b"limit":
                self._over = self._limit_error(told[i + 2].decode())
                self._over.frames = frames_of(told[i + 3])
            else:
                self._entries.discard(number)
                failed = self._failure(told[i + 2]) if kind == b"fail" else None
                value = told[i + 2] if failed is None else b"null"
                if len(value) > MAX_BYTES:
                    failed = ScriptRuntimeError(f"the result is larger than {MAX_BYTES} bytes")
                answer.ended.append(Ended(number, value, failed))
        self._used = self._lua.get_memory_used()
        if self._used > self._peak:
            self._peak = self._used
        if self._used > self._crowded:
            self._relieve(answer)
        elif self._grown and told[0] == WAITING:
            # Before it waits, maybe for long: what loading a part leaves is a third of the state.
            self._grown = False
            self._lua.gccollect()
            self._used = self._lua.get_memory_used()
        if lacks and self._over is None:
            return self._step(b"supply", lacks, answer)
        return int(told[0])

    def _cancel(self, number: int, answer: Answer) -> None:
        """Drops a text that was to be loaded, or tells that a call is no longer waited for."""
        kept = [load for load in self._loads if load[0] != number]
        if len(kept) == len(self._loads):
            answer.cancelled.append(number)
        self._loads = kept

    def _make_room(self, args: tuple[Any, ...]) -> None:
        """Raises the memory limit by what is about to be pushed: at it, a push aborts."""
        needed = self._used + PUSH_ROOM
        for arg in args:
            if type(arg) is bytes:
                needed += len(arg)
        if needed > self._limit or self._raised:
            self._lua.set_max_memory(max(self._limit, needed))
            self._raised = needed > self._limit

    def _relieve(self, answer: Answer) -> None:
        """Collects garbage beyond the soft limit; tells where that did not help."""
        if self._used > self._limit:
            self._collect()
            return
        if self._collections < COLLECTIONS:
            self._collections += 1
            self._lua.gccollect()
            self._used = self._lua.get_memory_used()
            if self._used <= self._crowded:
                return
        answer.near, self._crowded = (*answer.near, "memory"), self._limit

    def _collect(self) -> None:
        """Ends the run when what it holds is over the limit even after collecting garbage."""
        self._lua.gccollect()
        self._used = self._lua.get_memory_used()
        if self._used > self._limit and self._over is None:
            self._over = self._limit_error("memory")

    def _load(self, name: bytes, text: bytes) -> tuple[bool, bytes]:
        """Puts safepoints into text the script wants to load."""
        shown = name.decode(errors="replace").lstrip("=@")
        try:
            source = text.decode()
            code = self._compile(source, shown).code
        except UnicodeDecodeError:
            return False, b"the source is not valid UTF-8"
        except ScriptSyntaxError as error:
            return False, str(error).encode()
        self._chunks.add(short(shown))
        return True, code.encode()

    def _crash(self, error: Exception) -> LlmspellError:
        if isinstance(error, MemoryError) or "not enough memory" in str(error):  # a copy's too
            return self._limit_error("memory")
        return InternalError(f"the Lua prelude failed: {error}")

    def _position(self, text: str) -> tuple[Frame, ...]:
        # A script may raise any text: only the names of what was loaded are positions.
        return position(text, self._chunks)

    def _limit_error(self, name: str) -> LimitExceeded:
        value = getattr(self._limits, name)
        unit = {"memory": "bytes", "time": "s", "steps": "steps", "tasks": "tasks"}[name]
        return LIMIT_ERRORS[name](f"{value:g} {unit}" if name == "time" else f"{value} {unit}")

    def _failure(self, said: bytes) -> LlmspellError:
        """Makes the error of what the prelude reported: see `report` there."""
        from ..records import adopt, read_variables

        report = json.loads(said)
        value = json.loads(report["value"]) if report.get("value") else None
        raised = value if isinstance(value, dict) else {"code": report.get("code")}
        error = self._error(report, raised)
        error.variables = tuple(map(read_variables, report.get("variables", ())))
        added = len(error.frames) - len(report.get("frames", ()))
        if error.variables and added > 0:
            error.variables = (Variables(),) * added + error.variables
        if isinstance(error, ScriptRuntimeError):
            error.value = value
        adopt(error, raised, self._chunks)
        return error

    def _error(self, report: dict[str, Any], raised: dict[str, Any]) -> LlmspellError:
        frames = tuple(Frame(*frame) for frame in report.get("frames", ()))
        message = report.get("message") or ""
        if report["kind"] == "fault":
            where = self._position(report["where"])
            known = raised.get("frames") or (frames and where and where[0][:2] == frames[0][:2])
            if not known:
                frames = where + frames
            capability = report.get("capability", "")
            if report.get("class") == ScriptFailure.__name__:
                return ScriptRuntimeError(message, frames=frames)
            return CAPABILITY_ERRORS.get(report.get("class", ""), HostFailure)(
                message or f"{capability or 'a capability'} failed",
                code=report.get("code"),
                capability=capability,
                retryable=report["retryable"],
                frames=frames or tail_call(report.get("called", ""), *self._program),
            )
        if report["kind"] == "value":
            message = str(message or raised.get("message") or f"the script raised {report['type']}")
            return ScriptRuntimeError(message, frames=frames)
        position = self._position(message)
        if position:
            message = message.split(": ", 1)[1]
            if not frames or frames[0][:2] != position[0][:2]:
                frames = position + frames
        return ScriptRuntimeError(absence(message, self._sandbox), frames=frames)
