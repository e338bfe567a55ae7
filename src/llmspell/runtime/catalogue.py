"""Every capability there is, loaded a namespace at a time.

Engines only need the names, and those are in `bridges/surface.txt`, which is generated from the
declarations (`make docs`) and checked against them by a test. The declarations themselves are
imported when a script first calls into their namespace: this halves the start of a small spell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import bridges
from ..engines.base import Signature

if TYPE_CHECKING:
    from ..capability import Capability

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
        namespace = name.partition(".")[0]
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
