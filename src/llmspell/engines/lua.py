"""The Lua engine, on lupa: 5.4 by default, 5.5 and LuaJIT by name.

One `LuaRuntime` an isolate. Nothing of lupa's Python bridge is left inside: the prelude empties
`_G`, only byte strings and numbers are pushed, and Lua never calls Python.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Container, Mapping
from functools import cache, lru_cache
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
    ScriptRuntimeError,
    ScriptSyntaxError,
)
from ..limits import Limits
from ..values import MAX_BYTES, dumps
from .base import Answer, Busy, Call, Chunk, Done, Ended, EngineUsage, Signature, Waiting
from .lua_safepoints import rewrite

Load = tuple[int, bytes, bytes]
"""Text a script wants loaded: number of the call, name, text."""

PRELUDE = ("core", "values", "tasks", "environment", "door")
"""Files of the prelude every state needs, in order. They are one chunk and share its locals."""

PARTS = (
    "promises", "coroutines", "strings", "sets", "patterns", "matching", "searching", "replacing",
    "libraries", "loading",
)  # fmt: skip
"""Files of the prelude a state loads when its program mentions what they hold."""

KINDS = (Done, Waiting, Busy)
"""What the prelude's states mean."""

VERSIONS = {"lua": "lua54", "lua54": "lua54", "lua55": "lua55", "luajit": "luajit21"}
"""Engine name -> lupa module. 5.1 is left out: its bundled parser has a known use-after-free."""

MAX_SOURCE = 1024 * 1024
MAX_KEPT = 64 * 1024
"""Characters of a source whose compiled form is kept: a script may load many large ones."""

MAX_BRANCHES = 10_000
"""Words in one source that the parser takes quadratic time for."""

REFLECTIVE = frozenset({"_ENV", "_G", "load", "loadstring", "require"})
"""Names through which a program may reach globals it does not mention."""

NO_LIMIT = 2**53
"""Stands for no limit inside the VM."""

PUSH_ROOM = 64 * 1024
"""Bytes of memory kept free while the host pushes: at its limit, a push aborts the process."""


class LuaEngine:
    """Lua behind the engine protocol. `name` is one of VERSIONS."""

    suffixes = (".lua",)

    def __init__(self, name: str = "lua") -> None:
        self.name = name
        self._module = VERSIONS[name]
        exact = set() if name == "luajit" else {"int64"}
        self.features = frozenset({"steps", "preempt", "memory"} | exact)
        self._names: Mapping[str, Signature] = {}
        self._surface, self._output = b"", "print"

    @property
    def version(self) -> str:
        """The Lua in there, and what brought it: "Lua 5.4, lupa 2.8"."""
        lupa = importlib.import_module(f"lupa.{self._module}")
        package = importlib.import_module("lupa").__version__
        return f"Lua {'.'.join(map(str, lupa.LUA_VERSION))}, lupa {package}"

    def compile(self, source: str, name: str) -> Chunk:
        """Checks the syntax of the unmodified source, then puts the safepoints in."""
        return Chunk(self.name, name, source, compiled(self._module, source, name))

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> LuaIsolate:
        """Makes a fresh Lua state with `names` bound."""
        if names is not self._names:
            self._names, self._surface = names, surface(names)
            outputs = [name for name, item in names.items() if item.role == "output"]
            self._output = outputs[0] if outputs else "print"
        return LuaIsolate(self._module, self._surface, self._output, limits)


def compiled(module: str, source: str, name: str) -> str:
    """`_compiled`, kept for sources of ordinary size."""
    kept = len(source) < MAX_KEPT
    return (_kept if kept else _compiled)(module, source, name)


def _compiled(module: str, source: str, name: str) -> str:
    """A line with the counter's name, one with the words used, and the code with safepoints.

    The words are "*" when the program can reach globals it does not mention.
    """
    if len(source) > MAX_SOURCE:
        raise ScriptSyntaxError(
            f"the source is larger than {MAX_SOURCE} bytes", frames=(Frame(name, 1),)
        )
    for bad, called in (("\0", "a NUL byte"), ("\x1b", "an ESC byte: binary chunks are refused")):
        if bad in source:
            line = source[: source.index(bad)].count("\n") + 1
            raise ScriptSyntaxError(f"the source holds {called}", frames=(Frame(name, line),))
    if len(re.findall(r"\b(?:and|or|elseif)\b", source)) > MAX_BRANCHES:
        raise ScriptSyntaxError(
            f"the source has more than {MAX_BRANCHES} of and, or, elseif",
            frames=(Frame(name, 1),),
        )
    checked = "--" + source[1:] if source.startswith("#") else source
    why = _loader(module)(checked.encode(), b"=" + name.encode())
    if why is not None:
        # lupa adds a traceback of its own to some messages.
        told, _, _ = why.partition(b"\nstack traceback:")
        raise syntax_error(told.decode(errors="replace"), name)
    rewritten = rewrite(source, reserved=module != "luajit21")
    words = "*" if rewritten.words & REFLECTIVE else " ".join(sorted(rewritten.words))
    return f"{rewritten.counter}\n{words}\n{rewritten.code}"


_kept = lru_cache(maxsize=256)(_compiled)


def syntax_error(message: str, name: str) -> ScriptSyntaxError:
    """Takes Lua's `name:line: what` apart."""
    position = _position(message, (name,))
    text = message.split(": ", 1)[1] if position else message
    return ScriptSyntaxError(text, frames=position or (Frame(name, 1),))


def surface(names: Mapping[str, Signature]) -> bytes:
    """The bound names as the prelude reads them, a line each."""
    lines = [
        f"{name}\t{','.join(s.params)}\t{s.method_of}\t{s.role}\t{s.alias}"
        for name, s in names.items()
    ]
    return ("\n" + "\n".join(lines) + "\n").encode()


@cache
def _loader(module: str) -> Any:
    """A function that gives Lua's complaint about a source, or None. Holds no script state."""
    code = (
        b"local load = load; return function(source, name)"
        b" local ok, why = load(source, name, 't', {}) return why end"
    )
    return _runtime(module).execute(code)


@lru_cache(maxsize=256)
def wanted(surface: bytes, words: str) -> bytes:
    """The lines of the surface whose namespace or alias is among `words`."""
    if words == "*":
        return surface
    used = set(words.split())
    lines = []
    for line in surface.decode().split("\n"):
        name, _, rest = line.partition("\t")
        if name.partition(".")[0] in used or rest.rpartition("\t")[2] in used:
            lines.append(line)
    return ("\n" + "\n".join(lines) + "\n").encode()


@lru_cache(maxsize=256)
def needs_parts(module: str, code: str) -> bool:
    """Whether a program can reach what a part of the prelude holds: they take 40 KB of a state.

    It needs a word for that, or an index that is worked out, as in `("x")[name]`.
    """
    _, words, body = code.split("\n", 2)
    return words == "*" or "[" in body or not _part_words(module).isdisjoint(words.split())


@cache
def _part_words(module: str) -> frozenset[str]:
    """The names of libraries, of methods of strings, and of what else is in a part."""
    told = _runtime(module).eval(
        b"(function() local t = {}"
        b" for k, v in pairs(_G) do if type(v) == 'table' then t[#t + 1] = k end end"
        b" for k in pairs(string) do t[#t + 1] = k end return table.concat(t, ' ') end)()"
    )
    more = {"async", "await", "parallel", "load", "loadstring", "require", "unpack"}
    return frozenset(bytes(told).decode().split()) | more


@cache
def _prelude(module: str) -> tuple[bytes, tuple[bytes, ...]]:
    """The prelude compiled for one Lua version: the chunk, and the name and code of each part.

    Its bytecode never leaves this process.
    """
    dump = _runtime(module).eval(
        b"function(s) return string.dump(assert(load(s, '=prelude')), true) end"
    )
    chunk = b"\n".join(_file(name) for name in PRELUDE)
    parts = [item for name in PARTS for item in (name.encode(), bytes(dump(_file(name))))]
    return bytes(dump(chunk)), tuple(parts)


def _file(name: str) -> bytes:
    path = os.path.join(os.path.dirname(__file__), "prelude", f"{name}.lua")
    with open(path, "rb") as file:
        return file.read()


def _runtime(module: str, memory: int | None = None) -> Any:
    lupa = importlib.import_module(f"lupa.{module}")
    return lupa.LuaRuntime(
        encoding=None, register_eval=False, register_builtins=False, max_memory=memory
    )


class LuaIsolate:
    """One Lua state and the tasks in it."""

    def __init__(self, module: str, names: bytes, output: str, limits: Limits) -> None:
        self._module = module
        self._output = output
        lua = _runtime(module, 0)
        self._lua = lua
        self._names = names
        chunk, self._parts = _prelude(module)
        self._turn = lua.compile(chunk, mode=b"b")(names)
        self._base = self._used = lua.get_memory_used()
        self._raised = False
        self._program = ("", "")
        self._chunks: set[str] = set()
        self.confine(limits)
        self._seconds, self._remaining = 0.005, 1e9
        self._steps, self._cpu = 0, 0.0
        self._over: LlmspellError | None = None
        self._entries: set[int] = set()
        self._loads: list[Load] = []

    def confine(self, limits: Limits) -> None:
        """Replaces the limits."""
        self._limits = limits
        self._limit = self._base + limits.memory if limits.memory else 0
        self._lua.set_max_memory(self._limit)

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program."""
        self._entries.add(entry)
        self._program = (chunk.name, chunk.source)
        self._chunks.add(_short(chunk.name))
        _, words, _ = chunk.code.split("\n", 2)
        bound = wanted(self._names, words)
        program = (chunk.code.encode(), chunk.name.encode(), bound, params, seed)
        steps, tasks = self._limits.steps or NO_LIMIT, self._limits.tasks or NO_LIMIT
        parts = self._parts if needs_parts(self._module, chunk.code) else ()
        return self._go(b"run", entry, *program, steps, tasks, self._limits.depth, *parts)

    def call(self, entry: int, function: int, args: bytes) -> Answer:
        """Starts a function the script handed out."""
        self._entries.add(entry)
        return self._go(b"call", entry, function, args)

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers one call."""
        if isinstance(answer, bytes):
            return self._go(b"resume", call_id, True, answer)
        said = {
            "class": type(answer).__name__,
            "code": answer.code,
            "message": answer.message,
            "capability": answer.capability,
            "retryable": answer.retryable,
        }
        return self._go(b"resume", call_id, False, dumps(said).encode())

    def proceed(self) -> Answer:
        """Goes on for one more turn."""
        return self._go(b"" if self._loads else b"proceed")

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
        self._make_room(())
        try:
            *_, told = self._turn(b"where", 0.0, 0.0)
        except Exception:  # noqa: BLE001 - lupa raises one class for all; the memory may be full
            return ()
        return _frames(told)

    def usage(self) -> EngineUsage:
        """Steps, bytes now, processor seconds."""
        return EngineUsage(self._steps, max(0, self._used - self._base), self._cpu)

    def allot(self, seconds: float, remaining: float) -> None:
        """Sets the length of a turn."""
        self._seconds, self._remaining = seconds, remaining

    def close(self) -> None:
        """Frees the state."""
        self._over = self._over or InternalError("the isolate is closed")
        self._turn = self._lua = None

    def _go(self, door: bytes, *args: Any) -> Answer:
        """One turn, and one more for each text the script wants compiled, as time allows."""
        if self._over is not None:
            return self.interrupt(self._over)
        answer: Answer = Done([], [], [])
        until = perf_counter() + self._seconds
        state = self._step(door, args, answer) if door else 0
        while self._loads and self._over is None:
            if perf_counter() > until:
                state = 2
                break
            number, name, text = self._loads.pop(0)
            state = self._step(b"resume", (number, *self._load(name, text)), answer)
        if self._over is not None:
            answer.ended += self.interrupt(self._over).ended
            return answer
        return answer if state == 0 else KINDS[state](answer.calls, answer.cancelled, answer.ended)

    def _step(self, door: bytes, args: tuple[Any, ...], answer: Answer) -> int:
        """One turn of the VM: its state."""
        began = perf_counter()
        self._make_room(args)
        try:
            told = self._turn(door, self._seconds, self._remaining, *args)
        except Exception as error:  # noqa: BLE001 - lupa raises one class for all
            self._over = self._crash(error)
            return 3
        finally:
            self._cpu += perf_counter() - began
        self._steps = told[1]
        for i in range(2, len(told), 4):
            kind, number = told[i], told[i + 1]
            if kind == b"call":
                answer.calls.append(Call(number, told[i + 2].decode(), told[i + 3]))
            elif kind == b"print":
                answer.calls.append(Call(0, self._output, told[i + 2]))
            elif kind == b"load":
                self._loads.append((number, told[i + 2], told[i + 3]))
            elif kind == b"cancel":
                self._cancel(number, answer)
            elif kind == b"limit":
                self._over = self._limit_error(told[i + 2].decode())
                self._over.frames = _frames(told[i + 3])
            else:
                self._entries.discard(number)
                failed = self._failure(told[i + 2]) if kind == b"fail" else None
                value = told[i + 2] if failed is None else b"null"
                if len(value) > MAX_BYTES:
                    failed = ScriptRuntimeError(f"the result is larger than {MAX_BYTES} bytes")
                answer.ended.append(Ended(number, value, failed))
        self._used = self._lua.get_memory_used()
        if self._used > self._limit > 0:
            self._collect()
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
        if self._limit and (needed > self._limit or self._raised):
            self._lua.set_max_memory(max(self._limit, needed))
            self._raised = needed > self._limit

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
            code = compiled(self._module, source, shown)
        except UnicodeDecodeError:
            return False, b"the source is not valid UTF-8"
        except ScriptSyntaxError as error:
            return False, str(error).encode()
        self._chunks.add(_short(shown))
        return True, code.encode()

    def _crash(self, error: Exception) -> LlmspellError:
        if type(error).__name__ == "LuaMemoryError" or "not enough memory" in str(error):
            return self._limit_error("memory")
        return InternalError(f"the Lua prelude failed: {error}")

    def _position(self, text: str) -> tuple[Frame, ...]:
        # A script may raise any text: only the names of what was loaded are positions.
        return _position(text, self._chunks)

    def _tail_call(self, called: str) -> tuple[Frame, ...]:
        """Where `return fs.read(path)` stands: a tail call leaves no frame of its own.

        Known for sure only when the program has one such line.
        """
        name, source = self._program
        verb = re.escape(called.rpartition(".")[2])
        wanted = re.compile(rf"\breturn\s+({re.escape(called)}|[\w.]+:{verb})\b")
        found = [n for n, line in enumerate(source.split("\n"), 1) if wanted.search(line)]
        return (Frame(name, found[0]),) if len(found) == 1 else ()

    def _limit_error(self, name: str) -> LimitExceeded:
        value = getattr(self._limits, name)
        unit = {"memory": "bytes", "time": "s", "steps": "steps", "tasks": "tasks"}[name]
        return LIMIT_ERRORS[name](f"{value:g} {unit}" if name == "time" else f"{value} {unit}")

    def _failure(self, said: bytes) -> LlmspellError:
        """Makes the error of what the prelude reported: see `report` there."""
        report = json.loads(said)
        frames = tuple(Frame(*frame) for frame in report.get("frames", ()))
        message = report.get("message") or ""
        if report["kind"] == "fault":
            where = self._position(report["where"])
            if where and (not frames or where[0][:2] != frames[0][:2]):
                frames = where + frames
            capability = report.get("capability", "")
            return CAPABILITY_ERRORS.get(report.get("class"), HostFailure)(
                message or f"{capability or 'a capability'} failed",
                code=report.get("code"),
                capability=capability,
                retryable=report["retryable"],
                frames=frames or self._tail_call(report.get("called", "")),
            )
        if report["kind"] == "value":
            value = json.loads(report["value"]) if report.get("value") else None
            told = value.get("message") if isinstance(value, dict) else None
            message = message or told or f"the script raised {report['type']}"
            return ScriptRuntimeError(str(message), frames=frames, value=value)
        position = self._position(message)
        if position:
            message = message.split(": ", 1)[1]
            if not frames or frames[0][:2] != position[0][:2]:
                frames = position + frames
        return ScriptRuntimeError(message, frames=frames)


def _short(name: str) -> str:
    """How Lua shows the name of a chunk in messages: 59 bytes at most."""
    return name.encode()[:59].decode(errors="ignore")


def _frames(told: bytes) -> tuple[Frame, ...]:
    return tuple(Frame(*frame) for frame in json.loads(told))


def _position(text: str, names: Container[str]) -> tuple[Frame, ...]:
    """The `name:line: ` a message starts with, as a frame, if the name is one of `names`."""
    head, colon, _ = text.partition(": ")
    name, _, line = head.rpartition(":")
    known = colon and name in names and re.fullmatch("[0-9]{1,9}", line)
    return (Frame(name, int(line)),) if known else ()
