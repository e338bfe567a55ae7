"""YAML 1.2 (its core schema): text to values and back. `no` is text, as JSON's names are kept.

Values are made of the events of the parser, not by its constructor: nothing of a document can
name a class, and aliases are counted as often as they are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from ...errors import BadArgument

MAX_TEXT = 1024 * 1024
"""Characters of a document."""

MAX_DEPTH = 30
MAX_PARTS = 90_000
"""Levels and parts of a value, aliases with all that they stand for: more does not cross."""

TAG = re.compile(r"(?<![^\r\n\x85\u2028\u2029\ufeff])%TAG")
MAX_TAGS = 100
"""Lines that declare tags: the parser compares each with all before, in one step."""

NULL = re.compile(r"~|null|Null|NULL|")
BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
ODD = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}


class Known(NamedTuple):
    """What an anchor stands for, and how many parts that is."""

    value: Any
    parts: int


def read(text: str) -> Any:
    """The value of a document. Raises BadArgument with the line and column of a mistake."""
    import yaml

    if len(text) > MAX_TEXT:
        raise BadArgument(f"the YAML is longer than {MAX_TEXT} characters")
    if "%TAG" in text and sum(1 for _ in TAG.finditer(text)) > MAX_TAGS:
        raise BadArgument(f"the YAML declares more than {MAX_TAGS} tags")
    try:
        return _Reader(yaml.parse(text, Loader=yaml.CSafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadArgument(f"not YAML{place}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        reason = str(error).split("\n")[0]
        raise BadArgument(f"not YAML: {reason[:200]}") from None


class _Reader:
    """Makes a value of the events of a parser, which it takes one at a time."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._known: dict[str, Known] = {}
        self._parts = 0

    def document(self) -> Any:
        import yaml

        value, found = None, False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found:
                    raise self._wrong(event, "there is a second document")
                value, found = self._value(next(self._events), 1), True
        return value

    def _value(self, event: Any, depth: int) -> Any:
        import yaml

        self._count(event, 1)
        if depth > MAX_DEPTH:
            raise self._wrong(event, f"it is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            known = self._known.get(str(event.anchor))
            if known is None:
                raise self._wrong(event, f"there is no anchor {str(event.anchor)[:100]} before")
            self._count(event, known.parts)
            return known.value
        before, anchor = self._parts, event.anchor
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(event, depth)
        else:
            value = self._mapping(event, depth)
        if anchor is not None:
            self._known[anchor] = Known(value, self._parts - before + 1)
        return value

    def _sequence(self, event: Any, depth: int) -> list[Any]:
        import yaml

        self._check_tag(event, "seq")
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, event: Any, depth: int) -> dict[str, Any]:
        import yaml

        self._check_tag(event, "map")
        pairs: dict[str, Any] = {}
        merged: list[Any] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._wrong(event, "a key must be text")
            key = event.value
            value = self._value(next(self._events), depth + 1)
            if key == "<<" and event.implicit[0]:
                merged += value if isinstance(value, list) else [value]
                continue
            if key in pairs:
                raise self._wrong(event, f"the key {key[:100]} is there twice")
            if key.startswith("\0"):
                raise self._wrong(event, "a key begins with NUL")
            pairs[key] = value
        for other in merged:
            if not isinstance(other, dict):
                raise self._wrong(event, "only maps can be merged")
            for key, value in other.items():
                pairs.setdefault(key, value)
        return pairs

    def _scalar(self, event: Any) -> Any:
        text, tag = event.value, event.tag
        if tag is None and event.implicit[0]:
            return _resolved(text, lambda reason: self._wrong(event, reason))
        if tag in (None, "!", "tag:yaml.org,2002:str"):
            return text
        if tag not in TAGS:
            raise self._wrong(event, f"the tag {str(tag)[:100]} is not known")
        value = _resolved(text, lambda reason: self._wrong(event, reason))
        if isinstance(value, str):
            raise self._wrong(event, f"it is not what its tag {tag.rpartition(':')[2]} says")
        return value

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", f"tag:yaml.org,2002:{kind}"):
            raise self._wrong(event, f"the tag {str(event.tag)[:100]} is not known")

    def _count(self, event: Any, parts: int) -> None:
        self._parts += parts
        if self._parts > MAX_PARTS:
            raise self._wrong(event, f"it has more than {MAX_PARTS} parts, aliases included")

    def _wrong(self, event: Any, reason: str) -> BadArgument:
        mark = event.start_mark
        return BadArgument(
            f"not YAML for scripts at line {mark.line + 1}, column {mark.column + 1}: {reason}"
        )


def _resolved(text: str, wrong: Any) -> Any:
    """A plain scalar by the core schema."""
    if NULL.fullmatch(text):
        return None
    if found := BOOL.fullmatch(text):
        return found[1] is not None
    if INT.fullmatch(text):
        if len(text) > 40:
            raise wrong("the number has too many digits")
        number = int(text, 0 if text.startswith(("0o", "0x")) else 10)
        return number if -(2**63) <= number < 2**63 else float(number)
    if FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise wrong("the number is too large")
        return value
    if ODD.fullmatch(text):
        raise wrong(f"{text} is no number scripts have")
    return text


def write(value: Any) -> str:
    """The text of a value. Keys keep their order."""
    import yaml

    if isinstance(value, bytes):
        raise BadArgument("bytes cannot be written as YAML")
    try:
        text = yaml.dump(value, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100)
    except yaml.YAMLError as error:
        reason = str(error).split("\n")[0]
        raise BadArgument(f"cannot be written as YAML: {reason[:200]}") from None
    return str(text).removesuffix("...\n")


@cache
def _dumper() -> Any:
    """A writer that quotes what `read` would take for something else, and uses no aliases."""
    import yaml

    class Dumper(yaml.CSafeDumper):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - how the library has it

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def refuse(dumper: Any, data: bytes) -> Any:
        raise BadArgument("bytes cannot be written as YAML")

    core = [("bool", BOOL), ("int", INT), ("float", FLOAT), ("null", NULL), ("float", ODD)]
    for name, pattern in core:
        whole = re.compile(f"(?:{pattern.pattern})$")
        Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{name}", whole, None)
    Dumper.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("<<$"), None)
    # Text that YAML 1.1 takes for something else is quoted too: others may read it.
    for old in ("bool", "float", "int", "timestamp", "value"):
        for letter, known in yaml.SafeDumper.yaml_implicit_resolvers.items():
            for tag, pattern in known:
                if tag == f"tag:yaml.org,2002:{old}":
                    Dumper.add_implicit_resolver(tag, pattern, [letter])
    Dumper.add_representer(bytes, refuse)
    return Dumper
