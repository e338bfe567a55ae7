"""Compiles Lua: checks the syntax of the unmodified source, then has the safepoints put in."""

from __future__ import annotations

import importlib
import json
import re
from _thread import allocate_lock
from collections.abc import Container
from functools import cache
from typing import Any

from ..errors import Frame, ScriptSyntaxError
from ..forks import in_child
from .base import Sandbox
from .lua_safepoints import rewrite

MAX_SOURCE = 1024 * 1024
MAX_BRANCHES = 10_000
"""Words in one source that the parser takes quadratic time for."""

REFLECTIVE = frozenset({"_ENV", "_G", "load", "loadstring", "require"})
"""Names through which a program may reach globals it does not mention."""


@cache
def compiler() -> str:
    """What the safepoints depend on: they must not outlive a change of the code that puts them."""
    from hashlib import sha256

    digest = sha256()
    for path in (__file__, rewrite.__code__.co_filename):
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def compiled(module: str, source: str, name: str) -> str:
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
    why = _checkers.complaint(module, checked.encode(), b"=" + name.encode())
    if why is not None:
        # lupa adds a traceback of its own to some messages.
        told, _, _ = why.partition(b"\nstack traceback:")
        raise syntax_error(told.decode(errors="replace"), name)
    rewritten = rewrite(source, reserved=module != "luajit21")
    words = "*" if rewritten.words & REFLECTIVE else " ".join(sorted(rewritten.words))
    return f"{rewritten.counter}\n{words}\n{rewritten.code}"


def syntax_error(message: str, name: str) -> ScriptSyntaxError:
    """Takes Lua's `name:line: what` apart."""
    where = position(message, (name,))
    text = message.split(": ", 1)[1] if where else message
    return ScriptSyntaxError(text, frames=where or (Frame(name, 1),))


class _Checkers:
    """A state for each Lua that parses sources, by all threads of a process. Runs no script."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._made: dict[str, Any] = {}
        self._lost: list[Any] = []
        self._parses = False

    def complaint(self, module: str, source: bytes, name: bytes) -> Any:
        """What Lua has against a source, or None."""
        with self._lock:
            if module not in self._made:
                code = (
                    b"local load = load; return function(source, name)"
                    b" local ok, why = load(source, name, 't', {}) return why end"
                )
                self._made[module] = runtime(module).execute(code)
            self._parses = True
            try:
                return self._made[module](source, name)
            finally:
                self._parses = False

    def fork(self) -> None:
        """Has a lock that is free, and new states where a thread of the parent was parsing."""
        self._lock = allocate_lock()
        if self._parses:
            self._lost.append(self._made)  # stopped in the middle, they cannot even be closed
            self._made, self._parses = {}, False


_checkers = _Checkers()

in_child(_checkers.fork)


def runtime(module: str, memory: int | None = None) -> Any:
    """A Lua state without any of lupa's bridge into Python."""
    lupa = importlib.import_module(f"lupa.{module}")
    return lupa.LuaRuntime(
        encoding=None, register_eval=False, register_builtins=False, max_memory=memory
    )


def position(text: str, names: Container[str]) -> tuple[Frame, ...]:
    """The `name:line: ` a message starts with, as a frame, if the name is one of `names`."""
    head, colon, _ = text.partition(": ")
    name, _, line = head.rpartition(":")
    known = colon and name in names and re.fullmatch("[0-9]{1,9}", line)
    return (Frame(name, int(line)),) if known else ()


def tail_call(called: str, name: str, source: str) -> tuple[Frame, ...]:
    """Where `return fs.read(path)` stands in a program: a tail call leaves no frame of its own.

    Known for sure only when the program has one such line.
    """
    verb = re.escape(called.rpartition(".")[2])
    wanted = re.compile(rf"\breturn\s+({re.escape(called)}|[\w.]+:{verb})\b")
    found = [n for n, line in enumerate(source.split("\n"), 1) if wanted.search(line)]
    return (Frame(name, found[0]),) if len(found) == 1 else ()


def frames_of(told: bytes) -> tuple[Frame, ...]:
    """The frames that a state tells of."""
    return tuple(Frame(*frame) for frame in json.loads(told))


def short(name: str) -> str:
    """How Lua shows the name of a chunk in messages: 59 bytes at most."""
    return name.encode()[:59].decode(errors="ignore")


NIL = re.compile(
    r"attempt to (?:call|index) (?:a nil value \((global|field|method) '(\w+)'\)"
    r"|(global|field|method) '(\w+)' \(a nil value\))"
)
"""What Lua and LuaJIT say of a name that is not there."""


def absence(message: str, sandbox: Sandbox | None) -> str:
    """The message, with the sandbox where what is nil was taken out by it."""
    if sandbox is None or (match := NIL.search(message)) is None:
        return message
    name, inner = match[2] or match[4], (match[1] or match[3]) != "global"
    removed = sandbox.removed
    found = sorted(n for n in removed if (n.endswith(f".{name}") if inner else n == name))
    if not found:
        return message
    verb = "is" if len(found) == 1 else "are"
    return f"{message}: {', '.join(found)} {verb} not part of the sandbox {sandbox.name}"
