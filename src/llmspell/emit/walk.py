"""What every projection needs: the catalogue by namespace, and the records it mentions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..capability import HANDLES, Capability, HandleKind
from ..runtime.catalogue import CATALOGUE
from ..typespec import Record, Type

HIDDEN = frozenset({"module"})
"""Namespaces the engines use and scripts do not see."""


def namespaces() -> dict[str, list[Capability]]:
    """The capabilities scripts see, by namespace, both sorted."""
    found: dict[str, list[Capability]] = {}
    for name in sorted(CATALOGUE):
        item = CATALOGUE[name]
        if item.namespace not in HIDDEN:
            found.setdefault(item.namespace, []).append(item)
    return dict(sorted(found.items()))


def methods(kind: str) -> list[Capability]:
    """The capabilities that are methods of a handle."""
    return [item for _, item in sorted(CATALOGUE.items()) if item.method_of == kind]


def handles() -> list[HandleKind]:
    """Every kind of handle, sorted."""
    list(CATALOGUE)
    return [HANDLES[kind] for kind in sorted(HANDLES)]


def records() -> list[Record]:
    """Every record a capability takes or gives, sorted by name."""
    found: dict[str, Record] = {}
    for items in namespaces().values():
        for item in items:
            for type_ in below(*(param.type for param in item.params), item.returns):
                if isinstance(type_, Record):
                    found[type_.name] = type_
    return [found[name] for name in sorted(found)]


def below(*types: Type) -> Iterator[Type]:
    """The types and all they are made of."""
    queue: list[Type] = list(types)
    while queue:
        type_ = queue.pop()
        yield type_
        queue += list(type_.children())


def first_line(text: str) -> str:
    """The first sentence of a description."""
    return text.strip().split("\n")[0]


def lines(text: str, prefix: str) -> Iterable[str]:
    """Each line of a text with a prefix."""
    return (f"{prefix}{line}".rstrip() for line in text.strip().split("\n"))
