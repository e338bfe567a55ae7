"""The prelude of a Lua state: which files it is made of, and which of them a program needs.

prelude(module)              the chunk a state runs, and the parts it can load, compiled
part(module, name)           one part, compiled
lazy(module, surface)        what the host gives to a state when it first needs it, compiled
readers(payload)             the parts that read a value in text form
surface(names)               the bound names as the prelude reads them
nested(surface)              the names of namespaces inside others
wanted(surface, words)       those of them a program mentions
enumerates(code)             whether it may reach members of a table that it does not mention
needs_parts(module, code)    whether it can reach what only a part holds
needs_builtins(words)        whether it mentions what only the larger chunk holds
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from .base import Signature, output_of
from .lua_compiler import runtime

PRELUDE = ("core", "values", "tasks", "environment", "builtins", "door")
"""Files of the prelude, in order. They are one chunk and share its locals."""

BUILTINS = "builtins"
"""The one of them that programs do without which mention nothing of it."""

WRAPPED = frozenset(
    {"collectgarbage", "getmetatable", "rawset", "setmetatable", "xpcall"}
)  # fmt: skip
"""The globals it makes."""

ENUMERATING = frozenset({"foreach", "next", "pairs", "rawget"})
"""The functions that give members of a table which a program does not mention."""

LAZY = ("composites", "handles", "reports")
"""Files that the host gives to a state when it first needs what they hold."""

PARTS = (
    "promises", "chains", "coroutines", "strings", "sets", "patterns", "matching", "searching",
    "replacing", "libraries", "unicode", "loading",
)  # fmt: skip
"""Files of the prelude a state loads when its program mentions what they hold."""


PLAIN = frozenset({b"null", b"true", b"false", b"{}"})
"""Values in text form that a state reads without any part."""


def readers(payload: bytes) -> tuple[str, ...]:
    """The parts that read a value in text form: see `decode` in values.lua.

    A text without escapes and a short number are read without.
    """
    if payload[:1] == b'"':
        return ("composites",) if b"\\" in payload else ()
    if payload[:1] not in (b"{", b"[") and len(payload) < 16:
        return ()
    return ("composites", "handles") if b'"\\u0000handle"' in payload else ("composites",)


def binding(names: Mapping[str, Signature]) -> tuple[bytes, str]:
    """What a state is to know of the bound names: their surface, and which of them prints."""
    return surface(names), output_of(names)


def surface(names: Mapping[str, Signature]) -> bytes:
    """The bound names as the prelude reads them, a line each."""
    lines = [
        f"{name}\t{','.join(s.params)}\t{s.method_of}\t{s.role}\t{s.alias}"
        for name, s in names.items()
    ]
    return ("\n" + "\n".join(lines) + "\n").encode()


@lru_cache(maxsize=256)
def wanted(surface: bytes, words: str, members: bool = True) -> bytes:
    """The lines of the surface whose alias, or every name of whose namespace, is among `words`.

    members: all of a namespace; else those among `words` too, and all where there is none of them.
    """
    if words == "*":
        return surface
    used = set(words.split())
    lines, mentioned = {}, set()
    for line in surface.decode().split("\n"):
        name, _, rest = line.partition("\t")
        namespace, _, verb = name.rpartition(".")
        aliased = rest.rpartition("\t")[2] in used
        if used.issuperset(namespace.split(".")) or aliased:
            lines[line] = namespace, aliased or verb in used
            if lines[line][1]:
                mentioned.add(namespace)
    kept = [
        line for line, (namespace, named) in lines.items()
        if members or named or namespace not in mentioned
    ]  # fmt: skip
    return ("\n" + "\n".join(kept) + "\n").encode()


@lru_cache(maxsize=8)
def nested(surface: bytes) -> frozenset[str]:
    """The names of namespaces inside others, such as `pool` for `llm.pool.create`."""
    names = (line.partition("\t")[0].split(".") for line in surface.decode().split("\n"))
    return frozenset(word for name in names for word in name[1:-1])


@lru_cache(maxsize=256)
def needs_parts(module: str, code: str) -> bool:
    """Whether a program can reach what a part of the prelude holds: they take 40 KB of a state.

    It needs a word for that, or an index that is worked out, as in `("x")[name]`.
    """
    _, words, body = code.split("\n", 2)
    return words == "*" or "[" in body or not _part_words(module).isdisjoint(words.split())


@lru_cache(maxsize=256)
def enumerates(code: str) -> bool:
    """Whether a program may reach members of a table that it does not mention.

    It needs an index that is worked out for that, or a function that goes through tables.
    """
    _, words, body = code.split("\n", 2)
    return words == "*" or "[" in body or not ENUMERATING.isdisjoint(words.split())


def needs_builtins(words: str) -> bool:
    """Whether a program needs BUILTINS, of which it mentions these words: 15 KB of a state.

    One that needs parts does too.
    """
    return not WRAPPED.isdisjoint(words.split())


@cache
def _part_words(module: str) -> frozenset[str]:
    """The names of libraries, of methods of strings, and of what else is in a part."""
    told = runtime(module).eval(
        b"(function() local t = {}"
        b" for k, v in pairs(_G) do if type(v) == 'table' then t[#t + 1] = k end end"
        b" for k in pairs(string) do t[#t + 1] = k end return table.concat(t, ' ') end)()"
    )
    more = {
        "async",
        "await",
        "parallel",
        "promise",
        "spawn",
        "load",
        "loadstring",
        "require",
        "unpack",
        "utf8",
    }
    return frozenset(bytes(told).decode().split()) | more


class Prelude(NamedTuple):
    """The prelude compiled for one Lua version. Its bytecode never leaves this process.

    chunk, small: what a state runs first, with and without BUILTINS.
    parts: name and code of those of PARTS, one after the other.
    """

    chunk: bytes
    small: bytes
    parts: tuple[bytes, ...]


@cache
def prelude(module: str) -> Prelude:
    """The prelude compiled for one Lua version."""
    dump, texts = _dump(module), {name: _file(name) for name in PRELUDE}
    chunk = bytes(dump(b"\n".join(texts.values())))
    del texts[BUILTINS]
    return Prelude(
        chunk,
        bytes(dump(b"\n".join(texts.values()))),
        tuple(item for name in PARTS for item in (name.encode(), part(module, name))),
    )


@lru_cache(maxsize=64)
def lazy(module: str, surface: bytes) -> dict[str, bytes]:
    """The parts of LAZY by name. That of handles has the lines of the surface that are methods."""
    parts = {name: part(module, name) for name in LAZY if name != "handles"}
    methods = [line for line in surface.split(b"\n") if line and line.split(b"\t")[2]]
    code = b"return (function(...) %s end)(..., [==[\n\n%s\n]==])"
    code %= _file("handles"), b"\n".join(methods)
    return parts | {"handles": dumped(module, code)}


@cache
def part(module: str, name: str) -> bytes:
    """One part of the prelude, compiled for one Lua version."""
    return bytes(_dump(module)(_file(name)))


def dumped(module: str, source: bytes) -> bytes:
    """Code that is to be a part, compiled for one Lua version."""
    return bytes(_dump(module)(source))


def _dump(module: str) -> Any:
    return runtime(module).eval(
        b"function(s) return string.dump(assert(load(s, '=prelude')), true) end"
    )


def _file(name: str) -> bytes:
    path = os.path.join(os.path.dirname(__file__), "prelude", f"{name}.lua")
    with open(path, "rb") as file:
        return file.read()
