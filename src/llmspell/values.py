"""The closed set of values that may cross between a script and the host, and their one text form.

    none  bool  int (64 bit)  float (finite)  str (UTF-8)  bytes  list  map with string keys
    record (crosses in its plain form, see `forms`)  handle  function reference

The text form is JSON. What JSON lacks is a map with one key that starts with NUL, which no
script key may do: bytes, handles and function references. Engines produce and read this text
inside the VM, with raw access, so the host never touches a live script object.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import Enum
from itertools import chain
from math import isfinite
from operator import methodcaller
from typing import Any, Protocol, TypeVar, runtime_checkable

from .errors import UsageError
from .garbage import unbroken

BYTES_TAG = "\0bytes"
HANDLE_TAG = "\0handle"
FUNCTION_TAG = "\0function"
MAX_DEPTH = 32
MAX_NODES = 100_000
LOOKED_AT = 1000
"""Parts of a value that are looked at one by one before it is looked at as a whole."""
MAX_BYTES = 16 * 1024 * 1024
LONG = 65536
"""Characters of a text that is looked at on its own."""

TOO_LARGE = f"is larger than {MAX_BYTES} bytes"
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

    def __repr__(self) -> str:
        return f"Handle({self.kind!r}, {self.id})"


class FunctionRef:
    """A function of the script. Calling it runs the function inside its own run.

    It may be called, any number of times and concurrently, until that run ends.
    """

    __slots__ = ("_invoke", "id")

    def __init__(self, id: int, invoke: Callable[[int, list[Any]], Awaitable[Any]]) -> None:
        self.id = id
        self._invoke = invoke

    def __repr__(self) -> str:
        return f"FunctionRef({self.id})"

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
    try:
        text = unbroken(lambda: dumps(_plainer(value, depth))).encode()
    except _Refused as refused:
        raise CannotCross(path + "".join(reversed(refused.steps)), refused.reason) from None
    if len(text) > MAX_BYTES:
        raise CannotCross(path, TOO_LARGE)
    return text


class Encoded(bytes):
    """A value that is in text form already: it crosses as it is."""

    __slots__ = ()


def decode(text: bytes, invoke: Callable[[int, list[Any]], Awaitable[Any]] | None = None) -> Any:
    """Reads the text form. `invoke` runs the function references found in it."""
    return reader(invoke)(text)


def reader(
    invoke: Callable[[int, list[Any]], Awaitable[Any]] | None = None,
) -> Callable[[bytes], Any]:
    """`decode` with one `invoke`, for whoever reads many values."""
    read_tagged: Callable[[str], Any] | None = None

    def read_text(text: bytes) -> Any:
        return read_short(text) if len(text) < LONG else unbroken(read_short, text)

    def read_short(text: bytes) -> Any:
        nonlocal read_tagged
        if text == b"[]":
            return []
        if b'"\\u0000' not in text:
            try:
                return scan(text.decode(), 0)[0]
            except StopIteration:
                raise ValueError("the text form of a value was expected") from None
        if read_tagged is None:
            read_tagged = json.JSONDecoder(object_hook=untag).decode
        return read_tagged(text.decode())

    def untag(pairs: dict[str, Any]) -> Any:
        if len(pairs) == 1:
            ((key, content),) = pairs.items()
            # A VM made it, and is not to be trusted.
            if key == BYTES_TAG:
                try:
                    return bytes.fromhex(content)
                except (TypeError, ValueError):
                    told = "bytes are told by a text of hexadecimal digits"
                    raise ValueError(told) from None
            if key == HANDLE_TAG:
                match content:
                    case [str() as kind, int() as number] if type(number) is int:
                        return Handle(kind, number)
                raise ValueError("a handle is told by its kind and its number")
            if key == FUNCTION_TAG and invoke is not None:
                if type(content) is not int:
                    raise ValueError("a function is told by its number")
                return FunctionRef(content, invoke)
        return pairs

    return read_text


def is_plain(value: Any, depth: int, *, checked: bool = False) -> bool:
    """Whether a value is surely one that crosses as it is, found out a level at a time.

    depth: levels of lists and maps it may have.
    checked: whether its text is known to be Unicode, and keys may start with NUL.

    One that is not may be one that crosses all the same: then each part is to be looked at.
    """
    level, nodes, levels = [value], 1, 0
    while level:
        kinds = set(map(type, level))
        if not kinds <= JSON_TYPES:
            return False
        for kind in kinds & NUMBERS:
            numbers: list[Any] = [item for item in level if type(item) is kind]
            if kind is int and not INT_MIN <= min(numbers) <= max(numbers) <= INT_MAX:
                return False
            if kind is float and not all(map(isfinite, numbers)):
                return False
        if not checked and not _is_text(item for item in level if type(item) is str):
            return False
        below: list[Any] = []
        lists = [item for item in level if type(item) is list] if list in kinds else below
        maps = [item for item in level if type(item) is dict] if dict in kinds else below
        if lists or maps:
            levels += 1
            nodes += sum(map(len, lists)) + sum(map(len, maps))
            if nodes > MAX_NODES or levels > depth:
                return False
        below = list(chain.from_iterable(lists))
        if maps:
            keys = set(chain.from_iterable(maps))
            if set(map(type, keys)) != {str} and keys:
                return False
            if not checked and (any(map(_is_mark, keys)) or not _is_text(keys)):
                return False
            below += chain.from_iterable(map(dict.values, maps))
        level = below
    return True


_is_mark = methodcaller("startswith", "\0")


def _is_text(texts: Iterable[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_references(value: Any, path: str) -> None:
    """Raises CannotCross where a value holds what ends with its run: a function or a handle."""
    if _may_refer(value):
        _refuse_references(value, path)


def _may_refer(value: Any) -> bool:
    level, nodes = [value], 0
    while level:
        nodes += len(level)
        kinds = set(map(type, level))
        if nodes > MAX_NODES or any(issubclass(kind, FunctionRef | Handle) for kind in kinds):
            return True
        lists = [item for item in level if isinstance(item, list)]
        maps = [item for item in level if isinstance(item, dict)]
        level = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, maps))]
    return False


def _refuse_references(value: Any, path: str) -> None:
    if isinstance(value, FunctionRef | Handle):
        raise CannotCross(path, f"is a {kind_of(value)}, which ends with the run")
    if isinstance(value, list):
        for i, item in enumerate(value, 1):
            _refuse_references(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_references(item, f"{path}.{key}")


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


C = TypeVar("C", bound=type)

CLOSED = (type(None), bool, int, float, str, bytes, list, tuple, dict)
"""Types that cross as they are: nothing may be registered for them."""

REGISTERED: set[type] = set()
"""Classes that an embedding program has registered (see `forms`), slower to look up."""

PLAIN: tuple[Any, ...] = (str, int, float, list, tuple, dict)
"""Types whose subclasses cross as they themselves do."""

scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
quote = json.encoder.encode_basestring
_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_make = json.encoder.c_make_encoder  # type: ignore[attr-defined]
# The same, made once: `encode` makes it anew for each value, which takes longer than most values.
_chunks = _make and _make(None, _plain.default, quote, None, ":", ",", False, False, True)


def dumps(value: Any) -> str:
    """Writes compact JSON, the only form the engines read: no blanks between parts."""
    return "".join(_chunks(value, 0)) if _chunks else _plain.encode(value)


def loads(text: str) -> Any:
    """Reads one value of compact JSON. Raises ValueError for anything else."""
    try:
        value, end = scan(text, 0) if len(text) < LONG else unbroken(scan, text, 0)
    except StopIteration:
        raise ValueError("the text form of a value was expected") from None
    if end != len(text):
        raise ValueError("something follows the value")
    return value


@runtime_checkable
class Fields(Protocol):
    """A named tuple: it crosses as a map."""

    _fields: tuple[str, ...]
    _field_defaults: dict[str, Any]


def register_record(
    cls: C,
    *,
    to: Callable[[Any], Any],
    of: Callable[[Any], Any] | None = None,
    plain: Any = Any,
    describe: str = "",
) -> C:
    """Lets values of a class cross, in params, in results of functions, and as their parameters.

    cls: the class. Its subclasses cross in the same way, unless they are registered too.
    to: gives the plain data for a value: what a script can have, or what is registered.
    of: makes a value of plain data; without it the class cannot be the type of a parameter. What
        it raises as ValueError, TypeError, LookupError or ArithmeticError refuses the argument.
    plain: annotation of the plain data, such as `str` or `dict[str, float]`; checked before `of`.
    describe: what a script is told the argument must be; by default "a" and the name of the class.

    Gives the class. Raises UsageError for what is no class, or is one that crosses as it is.
    """
    if not isinstance(cls, type) or cls in CLOSED or cls is object:
        raise UsageError(f"{cls!r} cannot be registered: it is no class, or crosses as it is")
    from .forms import FORMS, Form

    make = None if of is None else lambda _, data: of(data)
    REGISTERED.add(cls)
    FORMS[cls] = Form(to, make, plain, describe or f"a {cls.__name__}")
    return cls


class _Refused(Exception):
    """What is wrong with a value, and the way to it, innermost step first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []


NUMBERS = frozenset({int, float})


class _Many(Exception):
    """There is much of a value."""


def _plainer(value: Any, depth: int) -> Any:
    """What JSON knows of a value. Raises _Refused."""
    try:
        return _Plainer(depth, LOOKED_AT).plain(value, 1)
    except _Many:
        if is_plain(value, depth):
            return value
        return _Plainer(depth, MAX_NODES).plain(value, 1)


SCALARS = frozenset({str, int, float, bool, type(None)})
JSON_TYPES = SCALARS | {list, dict}


class _Plainer:
    """One walk over a value: refuses what cannot cross, turns the rest into what JSON knows.

    Most values are plain already, so each container is looked at as a whole first, and given back
    as it is where nothing in it must be turned. The path is only put together for a refusal.
    """

    def __init__(self, depth: int, patience: int) -> None:
        self.depth = depth
        self.patience = patience
        self.nodes = 0
        self.keys: set[str] = set()

    def plain(self, value: Any, depth: int) -> Any:
        """The value at a depth. Raises _Refused."""
        self.nodes += 1
        if self.nodes > self.patience:
            if self.patience < MAX_NODES:
                raise _Many
            raise _Refused(f"is one of more than {MAX_NODES} values")
        kind = type(value)
        if kind in SCALARS:
            return self.scalar(value, kind)
        if depth > self.depth:
            raise _Refused(f"is nested more than {self.depth} deep (or contains itself)")
        if kind is list or kind is tuple:
            return self.items(value, depth)
        if kind is dict:
            return self.entries(value, depth)
        return self.other(value, depth)

    def scalar(self, value: Any, kind: type) -> Any:
        if kind is int and not INT_MIN <= value <= INT_MAX:
            raise _Refused("is an integer of more than 64 bits")
        if kind is float and value - value != 0.0:
            raise _Refused("is not a finite number")
        if kind is str:
            _check_text(value)
        return value

    def fits(self, values: Collection[Any]) -> bool:
        """Whether all of many values are scalars that cross as they are."""
        kinds = set(map(type, values))
        if not kinds <= SCALARS or self.nodes + len(values) > MAX_NODES:
            return False
        if int in kinds or float in kinds:
            for value in values:
                if type(value) is int:
                    if not INT_MIN <= value <= INT_MAX:
                        return False
                elif type(value) is float and value - value != 0.0:
                    return False
        if str in kinds:
            for value in values:
                if type(value) is str and not value.isascii():
                    if len(value) > LONG:
                        return False
                    try:
                        value.encode()
                    except UnicodeEncodeError:
                        return False
        self.nodes += len(values)
        return True

    def items(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if self.fits(value):
            return value
        found: list[Any] = []
        try:
            for item in value:
                found.append(self.plain(item, depth + 1))
        except _Refused as refused:
            refused.steps.append(f"[{len(found) + 1}]")
            raise
        return found

    def entries(self, value: dict[Any, Any], depth: int) -> Any:
        if not self.keys.issuperset(value):
            for key in value:
                self.check_key(key)
        if self.fits(value.values()):
            return value
        found: dict[str, Any] = {}
        key = ""
        try:
            for key, item in value.items():
                found[key] = self.plain(item, depth + 1)
        except _Refused as refused:
            refused.steps.append(f".{key}")
            raise
        return found

    def check_key(self, key: Any) -> None:
        if not isinstance(key, str):
            raise _Refused(f"has the key {key!r}, and keys must be strings")
        if key.startswith("\0"):
            raise _Refused("has a key that starts with NUL")
        _check_text(key)
        self.keys.add(key)

    def other(self, value: Any, depth: int) -> Any:
        if isinstance(value, bytes):
            if 2 * len(value) > MAX_BYTES:  # before its text is made
                raise _Refused(TOO_LARGE)
            return {BYTES_TAG: value.hex()}
        if isinstance(value, Handle):
            return {HANDLE_TAG: [value.kind, value.id]}
        if isinstance(value, FunctionRef):
            return {FUNCTION_TAG: value.id}
        cls = type(value)
        self.nodes -= 1
        if REGISTERED.isdisjoint(cls.__mro__):
            if (fields := getattr(cls, "__dataclass_fields__", None)) is not None:
                return self.plain({name: getattr(value, name) for name in fields}, depth)
            for base in PLAIN:
                if isinstance(value, base) and not isinstance(value, Enum | Fields):
                    return self.plain(base(value), depth)
        from .forms import form_of

        form = form_of(cls)
        if form is not None:
            try:
                plainer = form.to(value)
            except Exception as error:
                raise _Refused(f"could not be made plain ({type(error).__name__})") from error
            turned = type(plainer) in SCALARS or type(plainer) in PLAIN
            return self.plain(plainer, depth if turned else depth + 1)
        if callable(value) and not isinstance(value, type):
            raise _Refused("is a function of Python: give it to the session as one of functions")
        hint = "" if cls in (type, object) else ": register it"
        raise _Refused(f"is a {cls.__name__}, which cannot cross{hint}")


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise _Refused("is not valid Unicode text") from None
        if size > MAX_BYTES:
            raise _Refused(TOO_LARGE)
