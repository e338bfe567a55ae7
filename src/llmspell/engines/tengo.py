"""The Tengo engine: Tengo compiled to Lua, run by the Lua engine with all that it bounds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from .. import tengo
from ..errors import LlmspellError, ScriptRuntimeError, ScriptSyntaxError
from ..limits import Limits
from .base import Answer, Bound, Chunk, Compile, Done, Ended, Signature
from .lua import LuaEngine, LuaIsolate
from .lua_compiler import compiled, compiler
from .lua_prelude import binding, dumped

MODULE = "lua54"
GIVEN = frozenset({"params", "print", "async", "await", "parallel", "promise", "spawn"})
"""Names every program has beside the capabilities."""

TASKS = frozenset({"async", "await", "parallel", "promise", "spawn", "*"})
"""Words for which a program needs what the prelude has for tasks and modules."""

FILES = (
    "host",
    "tasks",
    "runtime",
    "order",
    "operators",
    "verbs",
    "quote",
    "builtins",
    *sorted(tengo.STANDARD),
)

SELDOM = ("regex", "sets", "unicode", "characters", "cases")
"""Files that a state asks for when it first needs them: with a pattern, some with what is in it.

`warm` needs them all.
"""


class TengoEngine:
    """Tengo behind the engine protocol."""

    suffixes = (".tengo",)
    warm = (
        'fmt := import("fmt")\ntext := import("text")\nexport [fmt.sprintf("%v", 1), len("x"), '
        'text.re_match("(?i)\\\\p{Greek}", "x"), text.to_upper("\u03c3")]'
    )
    features = frozenset({"steps", "preempt", "memory", "locals", "int64", "reproduce"})

    def __init__(self, name: str = "tengo", machine_code: bool = True) -> None:
        self.name = name
        self._lua = LuaEngine("lua", machine_code)
        self._bound = Bound(binding)

    @property
    def version(self) -> str:
        """The language and what runs it."""
        return f"Tengo 2 on {self._lua.version}"

    @property
    def form(self) -> str:
        """The version, and a digest of the source of both compilers."""
        return f"{self.version} {compiler()} {_digest()}"

    def compile(self, source: str, name: str) -> Chunk:
        """Compiles to Lua and puts the safepoints in. Its words are what it imports and lacks."""
        code = "//" + source[2:] if source.startswith("#!") else source
        try:
            made = tengo.compile_source(code, name)
        except tengo.TengoSyntaxError as error:
            raise _told(error) from None
        try:
            code = compiled(MODULE, made.code, name)
        except ScriptSyntaxError as error:
            reason = f"the program is too large or nested too deep ({error})"
            raise ScriptSyntaxError(reason, frames=error.frames) from None
        counter, _, body = code.split("\n", 2)
        modules = [m for m in made.imports if m not in tengo.STANDARD]
        own = all(m.isidentifier() for m in modules)
        words = " ".join([*made.free, "/", *modules]) if own else " ".join([*made.free, "/", "*"])
        return Chunk(self.name, name, source, f"{counter}\n{words}\n{body}")

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> TengoIsolate:
        """Makes a fresh Lua state with `names` bound."""
        isolate = TengoIsolate(MODULE, *self._bound.of(names), limits)
        isolate.known = GIVEN | {
            word for name, item in names.items() for word in (name.partition(".")[0], item.alias)
        }
        isolate.compile_with(self.compile)
        return isolate


class TengoIsolate(LuaIsolate):
    """A Lua state with the types of Tengo. `known` are the names a program may use."""

    known: frozenset[str] = frozenset()

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program, if there is all that it names."""
        if error := self._lacks(chunk):
            return Done(ended=[Ended(entry, error=error)])
        counter, words, body = chunk.code.split("\n", 2)
        free, _, modules = words.partition("/")
        wanted = set(modules.split())
        # A module of the script may use what the program does not mention.
        all_ = not wanted <= self.known
        words = "*" if all_ else " ".join(sorted({*free.split(), *wanted}))
        self._go(b"extend", b"tengo_host", *_files())
        return super().run(entry, chunk._replace(code=f"{counter}\n{words}\n{body}"), params, seed)

    def compile_with(self, compile: Compile) -> None:
        """A module, too, has all that it names before any of it runs."""

        def resolved(source: str, name: str) -> Chunk:
            chunk = compile(source, name)
            if error := self._lacks(chunk):
                raise error
            return chunk

        super().compile_with(resolved)

    def _lacks(self, chunk: Chunk) -> ScriptSyntaxError | None:
        free = chunk.code.split("\n", 2)[1].partition("/")[0]
        missing = sorted(set(free.split()) - self.known)
        return _unresolved(chunk, missing[0]) if missing else None

    def _parts(self, chunk: Chunk) -> tuple[bytes, ...]:
        words = chunk.code.split("\n", 2)[1].split()
        return () if TASKS.isdisjoint(words) else self._prelude.parts

    def _enumerates(self, chunk: Chunk) -> bool:
        return True  # its words are those of modules

    def _give(self, *names: str) -> tuple[bytes, ...]:
        """What is Tengo's own comes alone: nothing in it reads or tells values."""
        own = [name for name in SELDOM if f"tengo_{name}" in names]
        if not own:
            return super()._give(*names)
        self._lacking |= {f"tengo_{name}": _code(name) for name in own}
        return super()._give(*(f"tengo_{name}" for name in own))

    def _error(self, report: dict[str, Any], raised: dict[str, Any]) -> LlmspellError:
        error = super()._error(report, raised)
        if isinstance(error, ScriptRuntimeError):
            message = error.args[0] if error.args else ""
            if message.startswith("wrong number of arguments: want") and len(error.frames) > 1:
                error.frames = error.frames[1:]  # the function that complains has not begun
            elif message.startswith("stack overflow") or "C stack overflow" in message:
                error.args = ("stack overflow", *error.args[1:])
        return error


def _told(error: tengo.TengoSyntaxError) -> ScriptSyntaxError:
    """The class that is the same in every language."""
    return ScriptSyntaxError(error.message, frames=error.frames)


def _unresolved(chunk: Chunk, name: str) -> ScriptSyntaxError:
    place = tengo.compile_source(chunk.source, chunk.name).free[name]
    reason = f"unresolved reference '{name}'"
    if name in tengo.STANDARD:
        reason += f'; write {name} := import("{name}") before it'
    return _told(tengo.problem("Compile", reason, chunk.source, chunk.name, place))


@cache
def _files() -> tuple[bytes, ...]:
    """Name and bytecode of what Tengo needs in a state. It is made in this process."""
    return tuple(item for name in FILES for item in (b"tengo_" + name.encode(), _code(name)))


@cache
def _code(name: str) -> bytes:
    with open(os.path.join(tengo.FOLDER, f"{name}.lua"), "rb") as file:
        return dumped(MODULE, file.read())


@cache
def _digest() -> str:
    from hashlib import sha256

    digest = sha256()
    for name in sorted(os.listdir(tengo.FOLDER)):
        if name.endswith((".py", ".lua")):
            with open(os.path.join(tengo.FOLDER, name), "rb") as file:
                digest.update(file.read())
    return digest.hexdigest()
