"""Sandboxes: how much of its language's own library a script may reach, as data.

    sandboxes/lua.toml    a line for each name: the strictest sandbox that has it, and the reason

    sandbox("lua", ("strict",))                 a named one
    sandbox("lua", ("strict", "require"))       one and more
    sandbox("lua", ("string.*", "math.floor"))  a list of one's own

What a script may *do* is not decided here but by its grants: every effect is a capability. A
sandbox only makes the environment smaller; none gives what another engine or level would not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from ..errors import UsageError, near_miss
from .base import Sandbox

SANDBOXES = ("minimal", "standard", "strict")
"""The named ones, from the widest to the narrowest. Each has what those behind it have. `minimal`
is all there is, and the default at every level of trust: nothing in it has an effect."""


class Entry(NamedTuple):
    """A name of a library: the narrowest sandbox it is in, and why."""

    sandbox: str
    reason: str


@cache
def library(language: str) -> Mapping[str, Entry]:
    """Every name of the library of a language, by the suffix of its files."""
    import tomllib

    path = os.path.join(os.path.dirname(__file__), "sandboxes", f"{language}.toml")
    with open(path, "rb") as file:
        return {name: Entry(*told) for name, told in tomllib.load(file).items()}


@cache
def sandbox(language: str, wanted: tuple[str, ...]) -> Sandbox:
    """The sandbox made of named ones, names and patterns. Raises UsageError for what is unknown."""
    names = library(language)
    allowed: set[str] = set()
    for item in wanted:
        if item in SANDBOXES:
            wider = SANDBOXES[SANDBOXES.index(item) :]
            found = {name for name, entry in names.items() if entry.sandbox in wider}
        elif item.endswith(".*"):
            found = {name for name in names if name.startswith(item[:-1])}
        else:
            found = {item} & names.keys()
        if not found:
            known = (*SANDBOXES, *names, *{name.partition(".")[0] + ".*" for name in names})
            raise UsageError(
                f"{item!r} is neither a sandbox ({', '.join(SANDBOXES)}) nor a name of the library"
                f" of {language}{near_miss(item, known)}"
            )
        allowed |= found
    return Sandbox(" ".join(wanted), _whole(allowed), _whole(names) - _whole(allowed))


def _whole(given: Iterable[str]) -> frozenset[str]:
    """The names and the tables they are in."""
    names = frozenset(given)
    return names | {name.partition(".")[0] for name in names}
