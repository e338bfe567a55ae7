"""What a program hands to a session: a wrong kind of value is told by the name of the argument."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import UsageError
from ..host.settings import Settings
from ..limits import Tenant
from .cache import ChunkCache

MAPS = ("functions", "hooks", "tool_rules", "modules", "models", "params")
CALLED = ("approve", "output", "log", "notify", "on_call", "on_warning", "on_lifecycle")
LISTED = ("require", "tools")
WORDS = ("sandbox", "features", "preload")
FILES = ("record", "replay", "keep")

SEEDS = 2**31
"""How many there are: engines take no others, nor do recordings and checkpoints."""

KINDS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(MAPS, (Mapping, "a mapping")),
    **dict.fromkeys(CALLED, (Callable, "a function")),
    **dict.fromkeys(FILES, ((str, os.PathLike), "a path")),
    "folder": ((str, os.PathLike), "a path"),
    "cache": (ChunkCache, "a ChunkCache"),
    "tenant": (Tenant, "a Tenant"),
    "settings": (Settings, "a Settings"),
    "model": (str, "text such as 'openai/gpt-6-luna'"),
    "seed": (int, f"an integer from 0 to {SEEDS - 1}"),
}
"""Arguments -> what they may be, and how that is called. None is left to the default."""


def check(**given: Any) -> None:
    """Raises UsageError for the first argument that is of the wrong kind."""
    for name, value in given.items():
        if name in LISTED:
            if isinstance(value, str) or not hasattr(value, "__iter__"):
                raise _wrong(name, "a list", value)
            continue
        if name in WORDS:
            if value is not None and not isinstance(value, Iterable):
                raise _wrong(name, "a name or a list of names", value)
            continue
        kind, told = KINDS[name]
        if value is not None and not isinstance(value, kind):
            raise _wrong(name, told, value)
    seed = given.get("seed")
    if seed is not None and (isinstance(seed, bool) or not 0 <= seed < SEEDS):
        raise UsageError(f"seed must be {KINDS['seed'][1]}")
    for module, source in (given.get("modules") or {}).items():
        if not isinstance(source, str):
            raise _wrong(f"modules[{module!r}]", "text", source)


def _wrong(name: str, wanted: str, value: Any) -> UsageError:
    return UsageError(f"{name} must be {wanted}, got {type(value).__name__}")
