"""Feature sets: how much of the script library a session offers. What is not in it does not exist.

    Session(features="llm")      llmspell run --feature-set llm      features = ["llm", "data"]

A set holds namespaces and other sets; what a namespace cannot work without comes with it. Feature
sets are about what there is, for spells and for models that pick among tools; what may be done
with it is a matter of grants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..bridges import NAMESPACES
from ..errors import UsageError, near_miss


class Feature(NamedTuple):
    """A feature set: other sets, and namespaces with the reason each is in it."""

    includes: tuple[str, ...] = ()
    namespaces: Mapping[str, str] = {}


FEATURES = {
    "minimal": Feature(
        namespaces={
            "io": "print, and what is piped in",
            "module": "require",
            "json": "data as text",
            "limits": "what the spell has used",
            "time": "sleep and the clock",
            "channel": "values from task to task",
            "errors": "what went wrong, and trying again",
        }
    ),
    "llm": Feature(
        ("minimal",),
        {
            "llm": "ask models",
            "modelinfo": "which model to ask",
            "llm.pool": "several models as one",
            "llm.providers": "who offers them",
            "env": "settings of the spell, such as which model",
            "schema": "what data looks like",
            "structured": "answers as data",
        },
    ),
    "agent": Feature(
        ("llm",),
        {
            "agent": "models that use tools",
            "hooks": "looking at what they ask and do",
            "spell": "spells inside this one",
            "tools": "what they use",
            "workflow": "several of these in order, or at the same time",
        },
    ),
    "observable": Feature(
        ("agent",),
        {"log": "what happened, for people and for collectors"},
    ),
    "full": Feature(("observable",), dict.fromkeys(NAMESPACES, "all there is")),
    # Bundles: for one kind of work.
    "ai": Feature(("agent",)),
    "data": Feature(
        ("minimal",),
        {
            "fs": "files",
            "http": "pages and services",
            "csv": "tables as text",
            "xml": "documents as text",
            "yaml": "settings as text",
            "text": "patterns, differences and templates",
            "crypto": "digests and base64",
            "sqlite": "databases in files",
        },
    ),
}
"""The sets by name. One that is also the name of a namespace stands for the set."""

NEEDS: Mapping[str, Mapping[str, str]] = {
    "agent": {
        "llm": "it asks a model",
        "stream": "agent.stream gives one",
        "tools": "its tools are run by tools.execute",
    },
    "errors": {"breaker": "errors.circuit_breaker gives one", "time": "a retry sleeps"},
    "llm.pool": {"stream": "llm.pool.stream gives one"},
    "llm": {"chat": "llm.chat gives one", "stream": "llm.stream gives one"},
    "structured": {"llm": "it asks a model"},
    "tools": {"spell": "tools may be spells"},
    "workflow": {
        "agent": "steps may be agents",
        "llm": "steps may be prompts",
        "spell": "steps may be spells",
        "structured": "prompts may have a schema",
        "time": "steps may wait",
        "tools": "steps may be tools",
    },
}
"""Namespace -> namespaces whose functions it calls or whose handles it gives, and why."""


def resolve(
    wanted: Iterable[str],
    sets: Mapping[str, Feature] = FEATURES,
    needs: Mapping[str, Mapping[str, str]] = NEEDS,
    known: Iterable[str] = NAMESPACES,
) -> tuple[str, ...]:
    """The namespaces that the wanted sets and namespaces come to, each after those it needs.

    Raises UsageError for a name that is neither, and for names that need each other in a circle.
    """
    namespaces = frozenset(known)
    found: dict[str, None] = {}

    def namespace(name: str, path: tuple[str, ...]) -> None:
        if name not in namespaces:
            raise _unknown(name, path, (*sets, *namespaces))
        if name not in found:
            _each(namespace, needs.get(name, ()), name, path)
            found[name] = None

    def feature(name: str, path: tuple[str, ...]) -> None:
        if name not in sets:
            namespace(name, path)
            return
        _each(feature, sets[name].includes, name, path)
        for inner in sets[name].namespaces:
            namespace(inner, (f"{name} (set)",))

    for name in wanted:
        feature(name, ())
    return tuple(found)


def _each(
    add: Callable[[str, tuple[str, ...]], None],
    names: Iterable[str],
    by: str,
    path: tuple[str, ...],
) -> None:
    """Adds what one name brings along."""
    if by in path:
        circle = " -> ".join((*path[path.index(by) :], by))
        raise UsageError(f"features need each other in a circle: {circle}")
    for name in names:
        add(name, (*path, by))


def _unknown(name: str, path: tuple[str, ...], known: Iterable[str]) -> UsageError:
    by = f", which {path[-1]} names," if path else ""
    return UsageError(f"{name!r}{by} is not a feature set or namespace{near_miss(name, known)}")
