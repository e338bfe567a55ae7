"""What can be worked out from schemas alone: one for examples, one of several, what has changed.

infer       the schema that all of some examples fit
merge       one schema with the properties of several
diff        what a new version changes, and whether values of the old one may not fit it
to_openapi  a document with schemas as its components
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import BadArgument
from ...values import FunctionRef, Handle, kind_of
from .schema import NAMED, validator

MAX_CHANGES = 1000

MAX_MERGED = 64

KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array",
         dict: "object"}  # fmt: skip
"""Class of a value -> its type in JSON Schema. A bool is an int too, so it comes first."""

FORMATS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "email": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63}){1,8}"),
    "uri": re.compile(r"https?://[^\s]{1,2000}"),
}
"""Format of a text -> what every example of it looks like."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two schemas.

    path: where, such as "properties.age.type"; "" for the whole.
    kind: what became of it.
    before: what was there.
    after: what is there now.
    breaking: whether a value that fits the old schema may not fit the new one.
    """

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None
    breaking: bool = False


def infer(examples: list[Any]) -> dict[str, Any]:
    """The schema all examples fit. Raises BadArgument when there is none to learn from."""
    if not examples:
        raise BadArgument("schema.infer: examples must have at least one value")
    return _of(examples, "examples")


def _of(values: list[Any], path: str) -> dict[str, Any]:
    kinds: dict[str, list[Any]] = {}
    for value in values:
        kinds.setdefault(_kind(value, path), []).append(value)
    if "integer" in kinds and "number" in kinds:
        kinds["number"] += kinds.pop("integer")
    if "object" in kinds and not any(kinds.get("array", [[]])):
        kinds["object"] += [{} for _ in kinds.pop("array", [])]  # some languages have one for both
    made = [_of_kind(kind, found, path) for kind, found in sorted(kinds.items())]
    if len(made) == 1:
        return made[0]
    if all(schema.keys() == {"type"} for schema in made):
        return {"type": [schema["type"] for schema in made]}
    return {"anyOf": made}


def _kind(value: Any, path: str) -> str:
    if isinstance(value, bytes | FunctionRef | Handle):
        kind = kind_of(value)
        raise BadArgument(f"schema.infer: {path} holds {kind}, which JSON has no word for")
    return next((name for kind, name in KINDS.items() if isinstance(value, kind)), "null")


def _of_kind(kind: str, values: list[Any], path: str) -> dict[str, Any]:
    if kind == "string":
        for name, looks in FORMATS.items():
            text = {"type": "string", "format": name}
            # Half a look tells a 13th month from a date; the whole one is what checks values.
            if all(looks.fullmatch(value) for value in values) and not any(
                validator(text).faults(value) for value in values
            ):
                return text
    if kind == "array":
        items = [item for value in values for item in value]
        return {"type": "array", "items": _of(items, path)} if items else {"type": "array"}
    if kind == "object":
        found: dict[str, list[Any]] = {}
        for value in values:
            for key, item in value.items():
                found.setdefault(key, []).append(item)
        required = [key for key, items in found.items() if len(items) == len(values)]
        made: dict[str, Any] = {"type": "object"}
        if found:
            made["properties"] = {key: _of(items, f"{path}.{key}") for key, items in found.items()}
        return made | ({"required": required} if required else {})
    return {"type": kind}


def merge(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """One schema with all properties of several; where they differ the later one counts."""
    if not 1 <= len(schemas) <= MAX_MERGED:
        raise BadArgument(f"schema.merge: schemas must be a list of 1 to {MAX_MERGED} schemas")
    merged = schemas[0]
    for schema in schemas[1:]:
        merged = _merged(merged, schema)
    return merged


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    if _apart(first, second):  # both together would be a schema that nothing fits
        return {word: first[word] for word in ("title", "description") if word in first} | second
    made = dict(first)
    for key, value in second.items():
        had = made.get(key)
        if key == "required" and isinstance(had, list):
            made[key] = list(dict.fromkeys([*had, *value]))
        elif key in NAMED and isinstance(had, dict):
            made[key] = had | {
                name: _merged(had[name], part)
                if isinstance(had.get(name), dict) and isinstance(part, dict)
                else part
                for name, part in value.items()
            }
        elif key in ("items", "additionalProperties") and isinstance(had, dict):
            made[key] = _merged(had, value) if isinstance(value, dict) else value
        else:
            made[key] = value
    return made


def _apart(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two schemas have no type in common."""
    one, other = _types(first), _types(second)
    return bool(one and other) and one.isdisjoint(other)


def _types(schema: dict[str, Any]) -> set[str]:
    """The types a schema takes, as far as it says; integers are numbers."""
    told = schema.get("type", [])
    found = set(told if isinstance(told, list) else [told])
    if not found and isinstance(choices := schema.get("enum"), list):
        found = {KINDS.get(type(choice), "null") for choice in choices}
    return found | ({"number"} if "integer" in found else set())


def diff(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """What is different in `new`. Raises BadArgument beyond `MAX_CHANGES`."""
    changes: list[Change] = []
    for change in _changes(old, new, ""):
        if len(changes) == MAX_CHANGES:
            raise BadArgument(f"schema.diff: there are more than {MAX_CHANGES} differences")
        changes.append(change)
    return changes


def _changes(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        here = f"{path}.{key}" if path else key
        before, after = old.get(key), new.get(key)
        if _same(before, after) and (key in old) == (key in new):
            continue
        if key in ("$defs", "definitions"):  # nothing can refer to what is in them
            yield Change(here, _kind_of(key, old, new), before, after)
            continue
        if key in NAMED and isinstance(before, dict | None) and isinstance(after, dict | None):
            yield from _named_changes(before or {}, after or {}, here, old, new)
        elif key == "items" and isinstance(before, dict) and isinstance(after, dict):
            yield from _changes(before, after, here)
        else:
            breaking = _breaks(key, before, after, new)
            yield Change(here, _kind_of(key, old, new), before, after, breaking)


def _named_changes(
    before: dict[str, Any], after: dict[str, Any], path: str,
    old: dict[str, Any], new: dict[str, Any],
) -> Iterator[Change]:  # fmt: skip
    for name in sorted(before.keys() | after.keys()):
        here = f"{path}.{name}"
        of_values = _word(path) != "dependentSchemas"
        if name not in after:
            breaking = of_values and not _takes_all(new.get("additionalProperties", True))
            yield Change(here, "removed", before[name], None, breaking)
        elif name not in before:
            # It may have been there already, as something else.
            others = old.keys() & ({"patternProperties", "properties"} - {_word(path)})
            closed = of_values and not others and old.get("additionalProperties") is False
            yield Change(here, "added", None, after[name], not (closed or _takes_all(after[name])))
        elif not _same(before[name], after[name]):
            if isinstance(before[name], dict) and isinstance(after[name], dict):
                yield from _changes(before[name], after[name], here)
            else:
                breaking = before[name] is not False and not _takes_all(after[name])
                yield Change(here, "changed", before[name], after[name], breaking)


def _word(path: str) -> str:
    return path.rpartition(".")[2]


def _kind_of(
    key: str, old: dict[str, Any], new: dict[str, Any]
) -> Literal["added", "removed", "changed"]:
    if key in old and key in new:
        return "changed"
    return "removed" if key in old else "added"


def _takes_all(schema: Any) -> bool:
    return schema is True or schema == {}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON: 1 is not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


WORDS = frozenset({
    "title", "description", "$comment", "default", "example", "examples", "$id", "$schema",
    "deprecated", "readOnly", "writeOnly", "externalDocs", "xml", "$anchor", "nullable",
    "discriminator",
})  # fmt: skip
"""Keywords that no value can fail."""


def _breaks(key: str, before: Any, after: Any, new: dict[str, Any]) -> bool:
    """Whether a change of a keyword refuses what was taken before."""
    if key not in new:
        # Without these two others come to mean more.
        items_mean_more = key == "prefixItems" and not _takes_all(new.get("items", True))
        return items_mean_more or (key == "minContains" and before < 1)
    if key in WORDS or (key == "uniqueItems" and after is False):
        return False
    if key == "multipleOf" and isinstance(before, int) and isinstance(after, int):
        return before % after != 0
    if key.startswith(("min", "exclusiveMin")) and _are_numbers(before, after):
        return bool(after > before)
    if key.startswith(("max", "exclusiveMax")) and _are_numbers(before, after):
        return bool(after < before)
    if key in ("type", "enum"):
        had = before if isinstance(before, list) else [before]
        has = after if isinstance(after, list) else [after]
        has = [*has, "integer"] if key == "type" and "number" in has else has
        return before is None or not all(any(_same(one, other) for other in has) for one in had)
    if key == "required":
        return any(name not in (before or ()) for name in after)
    if key == "additionalProperties":
        return before is not False and not _takes_all(after)
    return True


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def to_openapi(schemas: dict[str, dict[str, Any]], title: str, version: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document without paths, whose components are the schemas."""
    for name in schemas:
        if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name) is None:
            raise BadArgument(
                f"schema.to_openapi: {name!r} cannot name a component: use letters, digits, . _ -"
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": {},
        "components": {"schemas": schemas},
    }
