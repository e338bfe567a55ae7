"""module: where `require` and `import` get their source. Not a namespace of scripts."""

from __future__ import annotations

from dataclasses import dataclass

from ..capability import capability
from ..errors import NotFound
from ..host.context import Context


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """The source of a script module.

    source: its text.
    name: the name errors show.
    """

    source: str
    name: str


@capability("module.load", since="0.1")
def load(ctx: Context, name: str) -> ModuleSource:
    """Finds a script module: given by the caller, beside the program, or in its lib/ folder.

    name: name of the module; dots stand for folders.
    returns: its source.
    """
    found = ctx.load_module(name)
    if found is None:
        raise NotFound(f"there is no module {name}: looked beside the spell and in its lib/ folder")
    return ModuleSource(*found)
