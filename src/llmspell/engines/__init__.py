"""Script engines, by name and by file suffix. A module is imported when it is first needed."""

from __future__ import annotations

import importlib
from functools import cache

from ..errors import UsageError, near_miss
from .base import Engine

ENGINES = {
    "lua": ("lua", "LuaEngine"),
    "lua54": ("lua", "LuaEngine"),
    "lua55": ("lua", "LuaEngine"),
    "luajit": ("lua", "LuaEngine"),
    "javascript": ("javascript", "JavaScriptEngine"),
    "typescript": ("javascript", "JavaScriptEngine"),
    "tengo": ("tengo", "TengoEngine"),
}
"""Engine name -> module and class."""

SUFFIXES = {
    ".lua": "lua",
    ".js": "javascript",
    ".mjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
    ".tengo": "tengo",
}
"""File suffix -> engine name."""

TRUSTED_ONLY = frozenset({"luajit"})
"""Engines whose native code generator is no sandbox: never at level `untrusted`."""


@cache
def engine(name: str, machine_code: bool = True) -> Engine:
    """The engine called `name`. Raises UsageError naming those there are.

    machine_code: whether it may make any; a locked-down process must not.
    """
    if name not in ENGINES:
        known, meant = ", ".join(ENGINES), near_miss(name, ENGINES)
        raise UsageError(f"{name!r} is not an engine: use one of {known}{meant}")
    module, cls = ENGINES[name]
    made: Engine = getattr(importlib.import_module(f".{module}", __package__), cls)(
        name, machine_code
    )
    return made
