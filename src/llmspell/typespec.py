"""Types of parameters and results, read once from annotations and projected many times.

`read(annotation)` gives a small tree. Each node can `fit` a value that came from a script,
`describe` itself in an error message, and print itself as JSON Schema. The stubs and the
reference page walk the same tree (see `emit`).
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol, Union

from .docstrings import prose
from .errors import near_miss, some_of
from .values import REGISTERED, Fields, FunctionRef, Handle, kind_of

if TYPE_CHECKING:
    from .forms import Form

    ModelName = str
else:

    class ModelName(str):
        """The name of a model. A pool, which is a handle, can be given in its place."""


class JsonSchema(dict[str, Any]):
    """A JSON Schema given as a map. An empty table where a map belongs is one."""


MAX_RECORDS = 10_000
"""How many records and handles the lists of one argument hold: all are read in one turn."""


class Misfit(ValueError):
    """A value does not fit. The message names the path and what was expected."""


class Border(Protocol):
    """What `fit` needs to know of the run a value comes from."""

    def resolve(self, handle: Handle) -> Any: ...


class NoRun:
    """The border for values that come from no run, where a handle stands for nothing."""

    def resolve(self, handle: Handle) -> Any:
        """Raises Misfit."""
        raise Misfit("holds a handle")


NO_RUN = NoRun()


class Counting:
    """The border for what is in a list: it counts what all lists below the outermost hold."""

    def __init__(self, border: Border) -> None:
        self.border, self.left = border, MAX_RECORDS

    def resolve(self, handle: Handle) -> Any:
        """The host object behind a handle."""
        return self.border.resolve(handle)


class Type:
    """A node of the tree. `describe` is a noun phrase with its article."""

    describe: str = "any value"

    def fit(self, value: Any, path: str, border: Border) -> Any:
        """Gives the value as the host wants it, or raises Misfit naming `path`."""
        return value

    def schema(self) -> dict[str, Any]:
        """JSON Schema of this type."""
        return {}

    def children(self) -> Iterator[Type]:
        """The nodes below this one."""
        return iter(())

    def misfit(self, value: Any, path: str) -> Misfit:
        return Misfit(f"{path} must be {self.describe}, got {kind_of(value)}")


class AnyValue(Type):
    """Any value of the closed set."""


class Nothing(Type):
    """No value."""

    describe = "nothing"

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if value is not None:
            raise self.misfit(value, path)
        return None

    def schema(self) -> dict[str, Any]:
        return {"type": "null"}


class Scalar(Type):
    """bool, int, float, str or bytes. A float with an integral value fits int, as in Lua."""

    NAMES: typing.ClassVar[dict[type, tuple[str, str]]] = {
        bool: ("a boolean", "boolean"),
        int: ("an integer", "integer"),
        float: ("a number", "number"),
        str: ("a string", "string"),
        bytes: ("bytes", "string"),
    }

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.describe, self._schema = self.NAMES[kind]

    def fit(self, value: Any, path: str, border: Border) -> Any:
        got = type(value)
        if got is self.kind:
            return value
        if self.kind is float and got is int:
            return float(value)
        if (
            self.kind is int
            and got is float
            and value.is_integer()
            and -(2.0**63) <= value < 2.0**63
        ):
            return int(value)
        if self.kind is bytes and got is str:
            return value.encode()
        raise self.misfit(value, path)

    def schema(self) -> dict[str, Any]:
        return {"type": self._schema}


class ModelRef(Scalar):
    """The name of a model, or the handle of a pool, which fits to its name."""

    def __init__(self) -> None:
        super().__init__(str)

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if isinstance(value, Handle) and value.kind == "pool":
            # In a replay there is no pool: its answers are recorded.
            return str(getattr(border.resolve(value), "name", f"pool/{value.id}"))
        return super().fit(value, path, border)


class ListOf(Type):
    """A list whose items are all of one type. An empty map fits: Lua cannot tell them apart."""

    describe = "a list"

    def __init__(self, item: Type) -> None:
        self.item = item

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if value == {}:
            return []
        if not isinstance(value, list):
            raise self.misfit(value, path)
        border = counted(border, self.item, value, path)
        return [self.item.fit(v, f"{path}[{i}]", border) for i, v in enumerate(value, 1)]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()}

    def children(self) -> Iterator[Type]:
        yield self.item


class MapOf(Type):
    """A map from strings to one type. An empty list fits: Lua cannot tell them apart."""

    describe = "a map"

    def __init__(self, item: Type) -> None:
        self.item = item

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if value == []:
            return {}
        if not isinstance(value, dict):
            raise self.misfit(value, path)
        border = counted(border, self.item, value, path)
        return {k: self.item.fit(v, f"{path}.{k}", border) for k, v in value.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.schema()}

    def children(self) -> Iterator[Type]:
        yield self.item


class SchemaMap(MapOf):
    """A JSON Schema as a map; empty lists where the standard wants maps become maps."""

    describe = "a JSON Schema (a map)"
    MAPS = frozenset(
        {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
    )
    SCHEMAS = frozenset(
        {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
         "unevaluatedItems", "unevaluatedProperties", "additionalItems", "contentSchema"}
    )  # fmt: skip
    LISTS = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})

    def fit(self, value: Any, path: str, border: Border) -> Any:
        return JsonSchema(self.mend(super().fit(value, path, border)))

    def mend(self, schema: Any) -> Any:
        """Turns `[]` into `{}` where JSON Schema can only mean a map."""
        if schema == []:
            return {}
        if not isinstance(schema, dict):
            return schema
        mended = {}
        for key, value in schema.items():
            if key in self.MAPS and value == []:
                value = {}
            elif key in self.MAPS and isinstance(value, dict):
                value = {k: self.mend(v) for k, v in value.items()}
            elif key in self.LISTS and isinstance(value, list):
                value = [self.mend(item) for item in value]
            elif key in self.SCHEMAS:
                value = self.mend(value)
            mended[key] = value
        return mended

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


class OneOf(Type):
    """One of a few fixed strings."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices
        self.describe = "one of " + ", ".join(f'"{c}"' for c in choices)

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if value not in self.choices or not isinstance(value, str):
            got = f'"{value}"' if isinstance(value, str) else kind_of(value)
            raise Misfit(f"{path} must be {self.describe}, got {got}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}


class AnyOf(Type):
    """The first of several types that fits."""

    def __init__(self, choices: tuple[Type, ...]) -> None:
        self.choices = choices
        self.describe = " or ".join(c.describe for c in choices if not isinstance(c, Nothing))

    @property
    def optional(self) -> bool:
        """Whether none is allowed."""
        return any(isinstance(choice, Nothing) for choice in self.choices)

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if value is None and self.optional:
            return None
        real = [choice for choice in self.choices if not isinstance(choice, Nothing)]
        if len(real) == 1:
            return real[0].fit(value, path, border)
        nearest: Misfit | None = None
        for choice in real:
            try:
                return choice.fit(value, path, border)
            except Misfit as misfit:
                # A list that is no list of messages: what is wrong with it says more than "a list".
                if isinstance(choice, CONTAINERS.get(type(value), ())):
                    nearest = misfit
        raise nearest or self.misfit(value, path)

    def schema(self) -> dict[str, Any]:
        real = [choice.schema() for choice in self.choices if not isinstance(choice, Nothing)]
        return real[0] if len(real) == 1 else {"anyOf": real}

    def children(self) -> Iterator[Type]:
        yield from self.choices


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One named part of a record."""

    name: str
    type: Type
    doc: str
    required: bool


class Record(Type):
    """A dataclass: a map with known keys, each typed and documented."""

    def __init__(self, cls: type, fields: tuple[Field, ...]) -> None:
        self.cls = cls
        self.fields = fields
        self.name = cls.__name__
        self.describe = "a map"
        self._types = {field.name: field.type for field in fields}
        self._required = [field.name for field in fields if field.required]

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if value == []:
            value = {}
        if not isinstance(value, dict):
            raise self.misfit(value, path)
        given = {}
        for key, item in value.items():
            if key not in self._types:
                meant = near_miss(key, self._types) or f"; known are {some_of(self._types)}"
                raise Misfit(f"{path}.{key} is not known{meant}")
            given[key] = self._types[key].fit(item, f"{path}.{key}", border)
        for name in self._required:
            if name not in given:
                raise Misfit(f"{path}.{name} is missing: it must be {self._types[name].describe}")
        try:
            return self.cls(**given)
        except ValueError as error:
            told = str(error)
            named = re.split(r"[ .\[]", told, maxsplit=1)[0] in self._types
            raise Misfit(f"{path}.{told}" if named else f"{path} is refused: {told}") from None

    def schema(self) -> dict[str, Any]:
        properties = {f.name: f.type.schema() | {"description": f.doc} for f in self.fields}
        return {
            "type": "object",
            "properties": properties,
            "required": self._required,
            "additionalProperties": False,
        }

    def children(self) -> Iterator[Type]:
        for field in self.fields:
            yield field.type


class Custom(Type):
    """A class with a plain form of its own (see `forms`): a script gives that."""

    def __init__(self, cls: type, form: Form) -> None:
        self.cls = cls
        self.plain = read(form.plain)
        self.describe = form.describe
        self.makes = form.of is not None
        self._of = form.of

    def fit(self, value: Any, path: str, border: Border) -> Any:
        assert self._of is not None
        try:
            return self._of(self.cls, self.plain.fit(value, path, border))
        except (ValueError, TypeError, LookupError, ArithmeticError):
            raise self.misfit(value, path) from None

    def schema(self) -> dict[str, Any]:
        return self.plain.schema() | {"description": self.describe}

    def children(self) -> Iterator[Type]:
        yield self.plain


class Function(Type):
    """A function of the script."""

    describe = "a function"

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if not isinstance(value, FunctionRef):
            raise self.misfit(value, path)
        return value


class HandleOf(Type):
    """A handle of one kind; fits to the host object behind it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.describe = f"{article(kind)} {kind}"

    def fit(self, value: Any, path: str, border: Border) -> Any:
        if not isinstance(value, Handle) or value.kind != self.kind:
            raise self.misfit(value, path)
        return border.resolve(value)


PLAIN = (AnyValue, Nothing, Scalar, OneOf, Function)
"""Types of which many fit in no time."""


def counted(border: Border, item: Type, value: list[Any] | dict[str, Any], path: str) -> Border:
    """The border for the items of a list or map. Raises Misfit where they are too many."""
    if isinstance(item, PLAIN):
        return border
    inner = border if isinstance(border, Counting) else Counting(border)
    inner.left -= len(value)
    if inner.left < 0:
        raise Misfit(f"{path} must have at most {MAX_RECORDS} items, those inside included")
    return inner


CONTAINERS: dict[type, tuple[type[Type], ...]] = {list: (ListOf,), dict: (MapOf, Record)}
"""Which nodes may take a list, and which a map."""

HANDLE_KINDS: dict[type, str] = {}
"""Which host class crosses as a handle of which kind; filled by `capability.handle`."""


def read(annotation: Any) -> Type:
    """Reads an annotation. Raises TypeError naming what the border has no type for."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return AnyValue()
    if annotation is None or annotation is type(None):
        return Nothing()
    if annotation is ModelName and annotation is not str:
        return ModelRef()
    if annotation in Scalar.NAMES:
        return Scalar(annotation)
    if annotation is JsonSchema:
        return SchemaMap(AnyValue())
    if annotation is FunctionRef:
        return Function()
    if origin is Literal and all(isinstance(a, str) for a in args):
        return OneOf(args)
    if origin is list and args:
        return ListOf(read(args[0]))
    if origin is dict and args and args[0] is str:
        return MapOf(read(args[1]))
    if origin in (Union, types.UnionType):
        return AnyOf(tuple(read(a) for a in args))
    if annotation in HANDLE_KINDS:
        return HandleOf(HANDLE_KINDS[annotation])
    if isinstance(annotation, type):
        if REGISTERED.isdisjoint(annotation.__mro__) and dataclasses.is_dataclass(annotation):
            return read_record(annotation)
        from .forms import form_of

        form = form_of(annotation)
        if form is not None:
            return read_record(annotation) if form.fields else Custom(annotation, form)
    raise TypeError(f"{annotation!r} is not a type that can cross")


def read_record(cls: type) -> Record:
    """Reads a dataclass or named tuple whose docstring documents each field.

    Raises TypeError, which lists all mistakes.
    """
    hints = typing.get_type_hints(cls)
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):  # what is inherited is documented where it is declared
        docs |= prose(base.__doc__ or "")[1]
    mistakes, fields = [], []
    for name, required in _fields(cls):
        if name not in docs:
            mistakes.append(f"{cls.__name__}.{name} is undocumented")
        try:
            type_ = read(hints[name])
        except TypeError as error:
            mistakes.append(f"{cls.__name__}.{name}: {error}")
            continue
        fields.append(Field(name, type_, docs.get(name, ""), required))
    if mistakes:
        raise TypeError("; ".join(mistakes))
    return Record(cls, tuple(fields))


def _fields(cls: Any) -> Iterator[tuple[str, bool]]:
    """The fields that make a value of a class, and whether each must be given."""
    if isinstance(cls, Fields):
        for name in cls._fields:
            yield name, name not in cls._field_defaults
        return
    missing = dataclasses.MISSING
    for item in dataclasses.fields(cls):
        if item.init:
            yield item.name, item.default is missing and item.default_factory is missing


def article(noun: str) -> str:
    """ "a" or "an"."""
    return "an" if noun[:1] in "aeiou" else "a"
