"""Every capability there is, loaded a namespace at a time.

Engines only need the names, and those are in `bridges/surface.txt`, which is generated from the
declarations (`make docs`) and checked against them by a test. The declarations themselves are
imported when a script first calls into their namespace: this halves the start of a small spell.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import bridges
from ..engines.base import Signature
from ..errors import UsageError

if TYPE_CHECKING:
    from ..capability import Capability
    from ..host.context import Context
    from ..host.tools.toolbox import Tool

SURFACE = os.path.join(os.path.dirname(bridges.__file__), "surface.txt")


class Catalogue(Mapping[str, "Capability"]):
    """The declarations by name. Looking one up loads its namespace; iterating loads all."""

    def __init__(self) -> None:
        self._found: dict[str, Capability] = {}

    def __getitem__(self, name: str) -> Capability:
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._load(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """The declaration of `name`, or the default."""
        return self._found.get(name) or super().get(name, default)

    def _load(self, name: str) -> Capability:
        namespace = name.rpartition(".")[0]
        if namespace in bridges.NAMESPACES:
            bridges.load(namespace)
        return _declared()[name]

    def __iter__(self) -> Iterator[str]:
        for namespace in bridges.NAMESPACES:
            bridges.load(namespace)
        return iter(_declared())

    def __len__(self) -> int:
        return len(list(iter(self)))


def _declared() -> dict[str, Capability]:
    from ..capability import CATALOGUE

    return CATALOGUE


CATALOGUE = Catalogue()
"""The one catalogue of this process."""


class Selection(Mapping[str, "Capability"]):
    """The part of the catalogue that is in some namespaces. The rest does not exist."""

    def __init__(self, namespaces: tuple[str, ...]) -> None:
        self.namespaces = namespaces

    def __getitem__(self, name: str) -> Capability:
        if name.rpartition(".")[0] not in self.namespaces:
            raise KeyError(name)
        return CATALOGUE[name]

    def __iter__(self) -> Iterator[str]:
        for namespace in self.namespaces:
            bridges.load(namespace)
        return (name for name in _declared() if name.rpartition(".")[0] in self.namespaces)

    def __len__(self) -> int:
        return len(list(iter(self)))


@cache
def selection(features: tuple[str, ...]) -> Mapping[str, Capability]:
    """The catalogue of these feature sets; all of it for none. Raises UsageError."""
    return Selection(_namespaces(features)) if features else CATALOGUE


@cache
def names(features: tuple[str, ...]) -> Mapping[str, Signature]:
    """The names of these feature sets, as engines bind them."""
    if not features:
        return signatures()
    chosen = _namespaces(features)
    return {n: item for n, item in signatures().items() if n.rpartition(".")[0] in chosen}


def preload_namespaces(wanted: tuple[str, ...], features: tuple[str, ...]) -> None:
    """Imports what the first calls into these namespaces, or feature sets, would import.

    Raises UsageError for one that is not among the features.
    """
    from ..host.services import import_libraries

    offered = _namespaces(features or ("full",))
    for namespace in _namespaces(wanted):
        if namespace not in offered:
            told = ", ".join(features)
            raise UsageError(f"cannot preload {namespace}: it is not among the features {told}")
        bridges.load(namespace)
        import_libraries(namespace)


@cache
def builtin_tools(features: tuple[str, ...] = ()) -> dict[str, Tool]:
    """Every capability of these feature sets that a model may call, as a tool."""
    return {
        item.tool: tool_of(item, "builtin") for item in selection(features).values() if item.tool
    }


def tool_of(item: Capability, origin: str) -> Tool:
    """A capability as a tool."""
    from ..host.tools.facts import ToolOptions, builtin_facts
    from ..host.tools.toolbox import Tool

    facts = builtin_facts(item.tool, item.kind) if origin == "builtin" else ToolOptions()
    return Tool(item.tool, item.doc, item.schema(), _tool_call(item), origin, facts)


def _tool_call(item: Capability) -> Callable[[Context, dict[str, Any]], Awaitable[Any]]:
    async def call(ctx: Context, args: dict[str, Any]) -> Any:
        return await ctx.invoke(item.name, *(args.get(p.name) for p in item.params))

    return call


def _namespaces(features: tuple[str, ...]) -> tuple[str, ...]:
    from .features import resolve

    return resolve(features)


def signature(item: Capability) -> Signature:
    """What engines must know of one capability."""
    from ..capability import HANDLES

    kind = HANDLES.get(item.method_of)
    role = "output" if item.oneway else ""
    if kind is not None and item.verb == kind.iterate:
        role = "iterate"
    elif kind is not None and item.verb == kind.close:
        role = "close"
    params = tuple(param.name for param in item.params)
    return Signature(params, item.method_of, role, item.alias)


@cache
def signatures() -> Mapping[str, Signature]:
    """The surface: every name, as engines bind it."""
    with open(SURFACE, encoding="utf-8") as file:
        lines = file.read().splitlines()
    found = {}
    for line in lines:
        name, params, method_of, role, alias = line.split("\t")
        found[name] = Signature(tuple(filter(None, params.split(","))), method_of, role, alias)
    return found


def surface_text() -> str:
    """What `bridges/surface.txt` must hold."""
    lines = []
    for name, item in sorted(CATALOGUE.items()):
        s = signature(item)
        lines.append(f"{name}\t{','.join(s.params)}\t{s.method_of}\t{s.role}\t{s.alias}\n")
    return "".join(lines)
