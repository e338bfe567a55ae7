"""Texts with places for values: `Dear {{customer.name}}`. Nothing in them is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import BadArgument, near_miss
from ...values import kind_of

MAX_TEXT = 1024 * 1024
"""Characters of a template, and of what comes of it."""

MAX_PLACES = 10_000


def render(template: str, values: Mapping[str, Any]) -> str:
    """The template with each {{path}} replaced by what the path leads to.

    A path has names of maps and numbers of list items (1-based), joined by dots. Text is put in as
    it is, anything else as JSON. Raises BadArgument for a path that leads nowhere.
    """
    if len(template) > MAX_TEXT:
        raise BadArgument(f"the template is longer than {MAX_TEXT} characters")
    head, *rest = template.split("{{")
    if len(rest) > MAX_PLACES:
        raise BadArgument(f"the template has more than {MAX_PLACES} places")
    told, size = [head], len(head)
    for piece in rest:
        path, closed, tail = piece.partition("}}")
        if not closed:
            raise BadArgument(f"the template opens {{{{{path[:50]} and does not close it")
        text = shown(found(values, path.strip()))
        size += len(text) + len(tail)
        if size > MAX_TEXT:
            raise BadArgument(f"the result is longer than {MAX_TEXT} characters")
        told += [text, tail]
    return "".join(told)


def paths(template: str) -> list[str]:
    """The paths a template names. Raises BadArgument for a {{ that is not closed."""
    named = []
    for piece in template.split("{{")[1 : MAX_PLACES + 1]:
        path, closed, _ = piece.partition("}}")
        if not closed:
            raise BadArgument(f"the template opens {{{{{path[:50]} and does not close it")
        named.append(path.strip())
    return named


def only_path(template: str) -> str | None:
    """The path of a template that is nothing else, which stands for the value as it is."""
    inner = template.strip()
    if inner.startswith("{{") and inner.find("}}") == len(inner) - 2 and inner.count("{{") == 1:
        return inner[2:-2].strip()
    return None


def found(values: Any, path: str) -> Any:
    """What a path leads to. Raises BadArgument when it leads nowhere."""
    value = values
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and 0 < int(name[:9]) <= len(value):
            value = value[int(name[:9]) - 1]
        else:
            close = near_miss(name, value) if isinstance(value, dict) else ""
            told = f"the template names {{{{{path[:100]}}}}}"
            what = f"there is no {name[:100]}{close}" if name else "a name is missing"
            raise BadArgument(f"{told}: {what}")
    return value


def shown(value: Any) -> str:
    """A value as text: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise BadArgument(f"a {kind_of(value)} cannot be put into a template") from None
