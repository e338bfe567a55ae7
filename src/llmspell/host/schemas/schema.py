"""JSON Schemas of scripts: which ones are taken, and checking values against them.

A schema of a script is refused when it is given if it is no schema, or if checking could take
memory or time out of proportion.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain, islice
from threading import Lock
from typing import Any, NamedTuple

from ...errors import BadArgument, near_miss
from ...forks import in_child
from ...values import kind_of
from . import patterns

MAX_TEXT = 64 * 1024
"""Characters of a schema."""

MAX_COST = 10_000_000
"""Parts of a schema times parts of the arguments: about half a second of checking."""

MAX_LISTED = 20_000
"""The same, up to which every fault is looked for: there may be as many, each with the argument."""

SHOWN_FAULTS = 10

COMPARED = 100
"""Names of a schema among which the nearest to a wrong one is looked for: each takes time."""

MAX_KEPT = 32 * 1024 * 1024
"""Bytes of all compiled schemas of a process that are kept, about."""

COMPILED = 125
"""Bytes of a compiled schema for each character of it, about, without its patterns."""

UNCHECKED = {"regex": lambda text: True}
"""Formats that are not checked: a pattern in a value could take any memory to compile."""

MAX_ALTERNATIVES = 8

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

COSTLY = frozenset(
    {"$ref", "$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords under which checking can take time that doubles with each level."""

NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords of maps whose keys are names, not keywords."""


class Fault(NamedTuple):
    """One thing that is wrong with a value: where, "" for the whole of it, and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Validator:
    """A compiled JSON Schema.

    formats: whether texts must be of the `format` that is asked for, such as "date".
    """

    def __init__(self, schema: dict[str, Any], formats: bool = True) -> None:
        import jsonschema_rs

        self.schema = schema
        self.parts = parts(schema)
        found = list(_patterns(schema))
        self.patterns = sum(map(patterns.cost, found))
        self.size = patterns.MAX_COMPILED if found else 0
        options = patterns.options(len(found))
        try:
            # offline: a "$ref" in a schema must not read files or the network.
            self._validator = jsonschema_rs.validator_for(
                schema,
                offline=True,
                pattern_options=options,
                validate_formats=formats,
                formats=UNCHECKED,
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = _reason(error)
            if reason.endswith('is not a "regex"'):
                reason += ", or takes too much memory"
            raise BadArgument(f"the schema is not a valid JSON Schema: {reason}") from None

    def complaint(self, value: Any) -> str:
        """What is wrong with `value`, the first faults each with its path, or ""."""
        return "; ".join(map(str, self.faults(value, "the arguments")))

    def faults(self, value: Any, called: str = "the value") -> list[Fault]:
        """What is wrong with `value`, at most `SHOWN_FAULTS` of them."""
        size = parts(value)
        cost = self.parts * size
        verb = "are" if called.endswith("s") else "is"
        if cost + self.patterns * size > MAX_COST:
            many = "many" if verb == "are" else "large"
            return [Fault("", f"{called} {verb} too {many} to check against the schema")]
        try:
            if self._validator.is_valid(value):
                return []
        except ValueError:
            hold = "hold" if verb == "are" else "holds"
            return [Fault("", f"{called} {hold} bytes or functions, which JSON has no word for")]
        # All faults are made before the first is given, so of many only one is asked for.
        faults = self._validator.iter_errors(value) if cost <= MAX_LISTED else self._first(value)
        return [_fault(error, self.schema) for error in islice(faults, SHOWN_FAULTS)]

    def _first(self, value: Any) -> Iterator[Any]:
        import jsonschema_rs

        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            yield error


def _reason(error: Any) -> str:
    """Why a schema is none, and where in it."""
    path = getattr(error, "instance_path", ())
    if not path:
        return str(error).split("\n")[0]
    fault = _fault(error)
    if path[-1] == "type" and isinstance(error.instance, str):
        told = f"there is no type {error.instance[:80]}{near_miss(error.instance, TYPES)}"
        fault = fault._replace(message=told)
    return str(fault)


def _fault(error: Any, schema: Any = None) -> Fault:
    path = "".join(
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in error.instance_path
    ).removeprefix(".")
    text: str = error.message
    if len(text) > 200:  # what is wrong stands at the end, behind the value
        text = f"{text[:130]}...{text[-67:]}"
    return Fault(path, text + _meant(error, schema))


def _meant(error: Any, schema: Any) -> str:
    """Which name or word of the schema may have been meant by one that it does not have, or ""."""
    kind = error.kind
    if kind.name == "enum" and isinstance(error.instance, str):
        known = [option for option in kind.options if isinstance(option, str)]
        return near_miss(error.instance, known[:COMPARED])
    if kind.name != "additionalProperties":
        return ""
    try:
        for part in error.schema_path[:-1]:
            schema = schema[part]
        known = [*schema.get("properties", ())][:COMPARED]
    except (LookupError, TypeError, AttributeError):
        return ""  # the path leads through a reference
    meant = (near_miss(name, known) for name in kind.unexpected[:SHOWN_FAULTS])
    return next(filter(None, meant), "")


def mended(value: Any, schema: Any) -> Any:
    """A value of a script with empty maps where the schema wants them: some languages have one
    empty table for both.
    """
    if not isinstance(schema, dict):
        return value
    if value == []:
        return {} if _kinds(schema) & {"object", "array"} == {"object"} else value
    if isinstance(value, dict | list):
        kind = "object" if isinstance(value, dict) else "array"
        for_it = [part for part in _alternatives(schema) if kind in _types(part)]
        if len(for_it) == 1:
            value = mended(value, for_it[0])
    if isinstance(value, list):
        return [mended(item, schema.get("items")) for item in value]
    properties = schema.get("properties")
    if isinstance(value, dict) and isinstance(properties, dict):
        rest = schema.get("additionalProperties")
        return {key: mended(item, properties.get(key, rest)) for key, item in value.items()}
    return value


def _kinds(schema: Any) -> set[str]:
    """The types that a schema names, those of its alternatives among them."""
    return set().union(_types(schema), *map(_types, _alternatives(schema)))


def _types(schema: Any) -> list[str]:
    kind = schema.get("type", []) if isinstance(schema, dict) else []
    return [kind] if isinstance(kind, str) else kind


def _alternatives(schema: dict[str, Any]) -> list[Any]:
    """The schemas of which a value fits one, where they are few: each part of it looks at all."""
    found = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return found if len(found) <= MAX_ALTERNATIVES else []


def parts(value: Any) -> int:
    """How much there is of a value: its parts, and long text as so many more."""
    level, count = [value], 0
    while level:
        kinds, count = set(map(type, level)), count + len(level)
        below: list[Any] = []
        if any(issubclass(kind, str | bytes) for kind in kinds):
            count += sum(len(item) // 100 for item in level if isinstance(item, str | bytes))
        if any(issubclass(kind, list) for kind in kinds):
            below += chain.from_iterable(item for item in level if isinstance(item, list))
        if any(issubclass(kind, dict) for kind in kinds):
            maps = [item for item in level if isinstance(item, dict)]
            count += sum(map(len, maps))
            count += sum(len(key) // 100 for key in chain.from_iterable(maps))
            below += chain.from_iterable(map(dict.values, maps))
        level = below
    return count


KEYWORDS = frozenset({
    "$anchor", "$comment", "$defs", "$id", "$schema", "$vocabulary", "additionalItems",
    "additionalProperties", "allOf", "anyOf", "const", "contains", "contentEncoding",
    "contentMediaType", "contentSchema", "default", "definitions", "dependencies",
    "dependentRequired", "dependentSchemas", "deprecated", "description", "discriminator", "else",
    "enum", "example", "examples", "exclusiveMaximum", "exclusiveMinimum", "externalDocs",
    "format", "if", "items", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum",
    "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "not",
    "nullable", "oneOf", "pattern", "patternProperties", "prefixItems", "properties",
    "propertyNames", "readOnly", "required", "then", "title", "type", "uniqueItems", "writeOnly",
    "xml",
})  # fmt: skip
"""Words of JSON Schema, and those that OpenAPI adds."""

VALUES = frozenset({"const", "default", "enum", "example", "examples"})
"""Keywords behind which there are values, not schemas."""


def read(given: dict[str, Any] | str, called: str = "schema") -> dict[str, Any]:
    """The JSON Schema of a map, or of the short text that `schema_text` reads.

    Raises BadArgument for what is no schema, and for one that would take much to check.
    """
    if isinstance(given, str):
        from .text import read_text

        schema = read_text(given)
        check_cheap(schema)
        return schema
    schema = dict(given)
    refuse_foreign(schema, called, ', or text such as "name, age int"')
    check_cheap(schema)
    refuse_misspelt(schema, called)
    validator(schema)
    return schema


def refuse_foreign(schema: dict[str, Any], called: str, else_as: str = "") -> None:
    """Refuses a map that says nothing a schema could say, such as names with their types."""
    if schema and not any(key in KEYWORDS or key in COSTLY for key in schema):
        example = f"{{type: object, properties: ...}}{else_as}"
        raise BadArgument(f"{called} has no keyword of JSON Schema: write it as {example}")


def refuse_misspelt(schema: Any, called: str) -> None:
    """Refuses unknown keywords that are close to one: the standard passes over them silently.

    The schema is one that `check_cheap` has let through; `called` is how the refusal names it.
    """
    for path, key in islice(_unknown(schema, called), SHOWN_FAULTS):
        meant = near_miss(key, KEYWORDS)
        if meant:
            raise BadArgument(f"{path}.{key} is no keyword of JSON Schema{meant}")


def _unknown(schema: Any, path: str, *, named: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(schema, list):
        for i, item in enumerate(schema, 1):
            yield from _unknown(item, f"{path}[{i}]")
    if isinstance(schema, dict):
        for key, item in schema.items():
            if not named and key not in KEYWORDS and not key.startswith("x-"):
                yield path, key
            if named or key not in VALUES:
                yield from _unknown(item, f"{path}.{key}", named=not named and key in NAMED)


def check_cheap(schema: dict[str, Any]) -> None:
    """Refuses a schema of a script that takes much memory, or time out of proportion."""
    import json

    if len(json.dumps(schema, ensure_ascii=False, default=_refuse_foreign)) > MAX_TEXT:
        raise BadArgument(f"the schema is longer than {MAX_TEXT} characters")
    _refuse_costly(schema, named=False)


def _refuse_foreign(value: Any) -> Any:
    raise BadArgument(f"the schema holds {kind_of(value)}, which JSON has no word for")


def _refuse_costly(schema: Any, *, named: bool, data: bool = False) -> None:
    if isinstance(schema, list):
        for item in schema:
            _refuse_costly(item, named=False, data=data)
    if isinstance(schema, dict):
        for key, item in schema.items():
            if not named and key in COSTLY:
                raise BadArgument(f"the schema has {key}, which schemas of scripts cannot have")
            if key == "type" and isinstance(item, list) and not named and not data:
                _refuse_types(item)
            named_below = not named and key in NAMED
            _refuse_costly(item, named=named_below, data=data or (key in VALUES and not named))


def _refuse_types(given: list[Any]) -> None:
    # Not left to the library, which takes long to tell what is wrong with thousands.
    if len(given) > len(TYPES):
        raise BadArgument(f"the schema has a list of {len(given)} types: there are {len(TYPES)}")


def _patterns(schema: Any, *, named: bool = False) -> Iterator[str]:
    """The regular expressions of a schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from _patterns(item)
    if isinstance(schema, dict):
        for key, item in schema.items():
            if not named and key == "pattern" and isinstance(item, str):
                yield item
            if not named and key == "patternProperties" and isinstance(item, dict):
                yield from item
            yield from _patterns(item, named=not named and key in NAMED)


class _Compiled:
    """The schemas used last, compiled; by all threads of a process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bool], Validator] = OrderedDict()
        self._lock = Lock()
        self._size = 0

    def get(self, text: str, formats: bool = True) -> Validator:
        import json

        key = text, formats
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            made = self._kept[key] = Validator(json.loads(text), formats)
            self._size += made.size + COMPILED * len(text)
            while self._size > MAX_KEPT:
                (old, _), dropped = self._kept.popitem(last=False)
                self._size -= dropped.size + COMPILED * len(old)
            return made

    def fork(self) -> None:
        """Has a lock that is free: a thread of the process this was forked from had the other."""
        self._lock = Lock()


_compiled = _Compiled()

in_child(_compiled.fork)


def validator(schema: dict[str, Any], formats: bool = True) -> Validator:
    """The validator of a schema; compiled once for equal schemas. Raises BadArgument."""
    import json

    return _compiled.get(json.dumps(schema, sort_keys=True), formats)
