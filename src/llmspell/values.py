"""The closed set of values that may cross between a script and the host, and their one text form.

    none  bool  int (64 bit)  float (finite)  str (UTF-8)  bytes  list  map with string keys
    record (a dataclass; crosses as a map)  handle  function reference

The text form is JSON. What JSON lacks is a map with one key that starts with NUL, which no
script key may do: bytes, handles and function references. Engines produce and read this text
inside the VM, with raw access, so the host never touches a live script object.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

BYTES_TAG = "\0bytes"
HANDLE_TAG = "\0handle"
FUNCTION_TAG = "\0function"
MAX_DEPTH = 32
MAX_NODES = 100_000
MAX_BYTES = 16 * 1024 * 1024
INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class CannotCross(ValueError):
    """A value is outside the closed set. `path` says where, `reason` what is wrong there."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path
        self.reason = reason


class Handle:
    """A thing the host keeps for a script: its kind and its number in this run."""

    __slots__ = ("id", "kind")

    def __init__(self, kind: str, id: int) -> None:
        self.kind = kind
        self.id = id


class FunctionRef:
    """A function of the script. Calling it runs the function inside its own run.

    It may be called, any number of times and concurrently, until that run ends.
    """

    __slots__ = ("_invoke", "id")

    def __init__(self, id: int, invoke: Callable[[int, list[Any]], Awaitable[Any]]) -> None:
        self.id = id
        self._invoke = invoke

    async def __call__(self, *args: Any) -> Any:
        return await self._invoke(self.id, list(args))


def encode(value: Any, path: str = "value", depth: int = MAX_DEPTH) -> bytes:
    """Gives the text form. Raises CannotCross for anything outside the closed set."""
    if value is None:
        return b"null"
    if type(value) is str and value.isascii() and len(value) < 65536:
        return quote(value).encode()
    if type(value) is float and value - value == 0.0:
        return repr(value).encode()
    text = dumps(_Plainer(depth).plain(value, path, 1)).encode()
    if len(text) > MAX_BYTES:
        raise CannotCross(path, f"is larger than {MAX_BYTES} bytes")
    return text


def decode(text: bytes, invoke: Callable[[int, list[Any]], Awaitable[Any]] | None = None) -> Any:
    """Reads the text form. `invoke` runs the function references found in it."""
    if text == b"[]":
        return []
    if b'"\\u0000' not in text:
        return read(text.decode())[0]

    def untag(pairs: dict[str, Any]) -> Any:
        if len(pairs) == 1:
            ((key, content),) = pairs.items()
            if key == BYTES_TAG:
                return bytes.fromhex(content)
            if key == HANDLE_TAG:
                return Handle(str(content[0]), int(content[1]))
            if key == FUNCTION_TAG and invoke is not None:
                return FunctionRef(int(content), invoke)
        return pairs

    return json.loads(text.decode(), object_hook=untag)


def refuse_references(value: Any, path: str) -> None:
    """Raises CannotCross where a value holds what ends with its run: a function or a handle."""
    if isinstance(value, FunctionRef | Handle):
        raise CannotCross(path, f"is a {kind_of(value)}, which ends with the run")
    if isinstance(value, list):
        for i, item in enumerate(value, 1):
            refuse_references(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            refuse_references(item, f"{path}.{key}")


def kind_of(value: Any) -> str:
    """Names a value's kind for an error message: the same word whatever the engine."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case list() | tuple() | dict():
            return "table"
        case FunctionRef():
            return "function"
        case Handle():
            return value.kind
    return type(value).__name__


read = json.JSONDecoder().raw_decode
quote = json.encoder.encode_basestring

PLAIN: tuple[Any, ...] = (str, int, float, list, tuple, dict)
"""Types whose subclasses cross as they themselves do."""

dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
"""Writes compact JSON, the only form the engines read: no blanks between parts."""


class _Plainer:
    """One walk over a value: refuses what cannot cross, turns the rest into what JSON knows."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.nodes = 0

    def plain(self, value: Any, path: str, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise CannotCross(path, f"is one of more than {MAX_NODES} values")
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is str:
            return self.text(value, path)
        if kind is int:
            if INT_MIN <= value <= INT_MAX:
                return value
            raise CannotCross(path, "is an integer of more than 64 bits")
        if kind is float:
            if value - value == 0.0:
                return value
            raise CannotCross(path, "is not a finite number")
        if depth > self.depth:
            raise CannotCross(path, f"is nested more than {self.depth} deep (or contains itself)")
        if kind is list or kind is tuple:
            return [self.plain(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value, 1)]
        if kind is dict:
            return {
                self.key(k, path): self.plain(v, f"{path}.{k}", depth + 1) for k, v in value.items()
            }
        return self.other(value, path, depth)

    def text(self, value: str, path: str) -> str:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise CannotCross(path, "is not valid Unicode text") from None
        return value

    def key(self, key: Any, path: str) -> str:
        if not isinstance(key, str):
            raise CannotCross(path, f"has the key {key!r}, and keys must be strings")
        if key.startswith("\0"):
            raise CannotCross(path, "has a key that starts with NUL")
        return self.text(key, path)

    def other(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, bytes):
            return {BYTES_TAG: value.hex()}
        if isinstance(value, Handle):
            return {HANDLE_TAG: [value.kind, value.id]}
        if isinstance(value, FunctionRef):
            return {FUNCTION_TAG: value.id}
        fields = getattr(value, "__dataclass_fields__", None)
        if fields is not None and not isinstance(value, type):
            return {
                name: self.plain(getattr(value, name), f"{path}.{name}", depth + 1)
                for name in fields
            }
        for base in PLAIN:
            if isinstance(value, base):
                return self.plain(base(value), path, depth)
        raise CannotCross(path, f"is a {type(value).__name__}, which cannot cross")
