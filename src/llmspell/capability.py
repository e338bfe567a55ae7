"""Declares what scripts may do. One record holds the function, its types, prose and permission.

    @capability("llm.generate", needs="llm", since="0.1")
    async def generate(ctx: Context, prompt: str, options: Options = Options()) -> str:
        \"\"\"Generates text for a prompt.

        prompt: what to say to the model.
        options: how to say it.
        returns: the text.
        \"\"\"

Bindings, permission checks, argument errors, stubs, reference pages and tool schemas are
projections of the record. A declaration that is untyped or undocumented is refused at import,
with all its mistakes in one error.

A capability whose first parameter is a handle is also a method of that handle: declared as
`agent.run(agent, prompt)`, it is callable as `a:run(prompt)` too.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from . import typespec
from .docstrings import prose
from .typespec import HANDLE_KINDS, HandleOf, Misfit, Type

F = TypeVar("F", bound=Callable[..., Any])
NO_DEFAULT: Any = inspect.Parameter.empty


class DeclarationError(TypeError):
    """A declaration is incomplete. The message lists every mistake."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: name, type, prose, and its default (or NO_DEFAULT)."""

    name: str
    type: Type
    doc: str
    default: Any = NO_DEFAULT

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Capability:
    """One function scripts may call.

    `needs` is a permission kind ("llm"), or a kind and the parameter that names the resource
    ("env:{name}"). `alias` is a global name, `tool` the name under which a model may call it.
    A `oneway` call sends no answer back into the script. One that is made `again` in a replay
    has no effect but other calls and functions of the script. One that `waits` is a plain function
    that may give a `Wait` instead of a result: what ends it is somebody else's call. That of one
    that `pauses` ends by itself. One that computes only, for long where it is given much, is done
    in a thread when its arguments have more than `beside` bytes, if that is not 0.
    One that `rebuilds` changes only what the host keeps for the run, so a restored run makes it
    again. What is left on the host by one that has effects too is left by `recalls`, which is given
    the context, the recorded answer and the arguments. `kind`, `resource` (index of the parameter
    that names it, or -1) and `gives` (kind of the returned handle, or "") follow.
    """

    name: str
    function: Callable[..., Any]
    doc: str
    params: tuple[Param, ...]
    returns: Type
    returns_doc: str
    since: str
    needs: str = ""
    alias: str = ""
    tool: str = ""
    oneway: bool = False
    again: bool = False
    waits: bool = False
    pauses: bool = False
    beside: int = 0
    rebuilds: bool = False
    recalls: Callable[..., None] | None = None
    is_async: bool = False
    kind: str = field(init=False)
    resource: int = field(init=False)
    gives: str = field(init=False)

    def __post_init__(self) -> None:
        """Works out what the gate asks at every call."""
        kind, _, wanted = self.needs.partition(":")
        names = [f"{{{param.name}}}" for param in self.params]
        gives = self.returns.kind if isinstance(self.returns, HandleOf) else ""
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "resource", names.index(wanted) if wanted else -1)
        object.__setattr__(self, "gives", gives)

    @property
    def namespace(self) -> str:
        """The part of the name before the last dot."""
        return self.name.rpartition(".")[0]

    @property
    def verb(self) -> str:
        """The part of the name after the last dot."""
        return self.name.rpartition(".")[2]

    @property
    def method_of(self) -> str:
        """Kind of the handle this is a method of, or ""."""
        first = self.params[0].type if self.params else None
        return first.kind if isinstance(first, HandleOf) else ""

    def fit(self, args: list[Any], border: typespec.Border) -> list[Any]:
        """Gives the arguments as the function wants them. Raises Misfit."""
        params = self.params
        if len(args) > len(params):
            most = len(params)
            noun = "argument" if most == 1 else "arguments"
            raise Misfit(f"takes at most {most} {noun}, got {len(args)}")
        fitted = []
        for i, param in enumerate(params):
            value = args[i] if i < len(args) else None
            if value is None and not param.required:
                fitted.append(param.default)
            elif value is None and i >= len(args):
                raise Misfit(f"{param.name} is missing: it must be {param.type.describe}")
            else:
                fitted.append(param.type.fit(value, param.name, border))
        return fitted

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments as one object, for a model that calls this as a tool."""
        return {
            "type": "object",
            "properties": {p.name: p.type.schema() | {"description": p.doc} for p in self.params},
            "required": [p.name for p in self.params if p.required],
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class HandleKind:
    """A class whose objects cross as handles. `iterate` and `close` name methods, or are ""."""

    kind: str
    cls: type
    doc: str
    iterate: str = ""
    close: str = ""


CATALOGUE: dict[str, Capability] = {}
"""Every declared capability by name."""

HANDLES: dict[str, HandleKind] = {}
"""Every declared handle by kind."""


def capability(
    name: str,
    *,
    since: str,
    needs: str = "",
    alias: str = "",
    tool: str = "",
    oneway: bool = False,
    again: bool = False,
    waits: bool = False,
    pauses: bool = False,
    beside: int = 0,
    rebuilds: bool = False,
    recalls: Callable[..., None] | None = None,
) -> Callable[[F], F]:
    """Declares a function as the capability `name`: "namespace.verb", or "llm.pool.create" in a
    namespace inside another.

    Raises DeclarationError, listing all mistakes, when anything is untyped or undocumented.
    """

    def declare(function: F) -> F:
        record, mistakes = _read(name, function)
        if name in CATALOGUE:
            mistakes.append("is declared twice")
        if name.count(".") not in (1, 2) or not all(p.isidentifier() for p in name.split(".")):
            mistakes.append("must be named namespace.verb")
        mistakes += _unmet(needs, record["params"])
        if beside and (waits or pauses or recalls or inspect.iscoroutinefunction(function)):
            mistakes.append("computes only where it is done beside the loop")
        if mistakes:
            raise DeclarationError(f"{name}: " + "; ".join(mistakes))
        CATALOGUE[name] = Capability(
            name=name, function=function, since=since, needs=needs, alias=alias, tool=tool,
            oneway=oneway, again=again, waits=waits, pauses=pauses, beside=beside,
            rebuilds=rebuilds, recalls=recalls, is_async=inspect.iscoroutinefunction(function),
            **record,
        )  # fmt: skip
        return function

    return declare


def declared(
    name: str, call: Callable[..., Any], function: Callable[..., Any], needs: str, tool: str
) -> Capability:
    """The declaration of `call`, a function that takes no context, in no catalogue.

    `function` is what is done instead: it takes one. Raises DeclarationError, with all mistakes.
    """
    record, mistakes = _read(name, call, context=False)
    mistakes += _unmet(needs, record["params"])
    if mistakes:
        raise DeclarationError(f"{name}: " + "; ".join(mistakes))
    return Capability(
        name=name, function=function, since="", needs=needs, tool=tool,
        is_async=inspect.iscoroutinefunction(call), **record,
    )  # fmt: skip


def handle(kind: str, *, iterate: str = "", close: str = "") -> Callable[[type], type]:
    """Declares a class whose objects cross as handles of `kind`."""

    def declare(cls: type) -> type:
        mistakes = []
        doc = inspect.cleandoc(cls.__doc__ or "")
        if not doc or doc.startswith(f"{cls.__name__}("):
            mistakes.append(f"class {cls.__name__} is undocumented")
        if kind in HANDLES:
            mistakes.append("is declared twice")
        if not kind.isidentifier():
            mistakes.append("must be an identifier")
        if mistakes:
            raise DeclarationError(f"handle {kind}: " + "; ".join(mistakes))
        HANDLES[kind] = HandleKind(kind, cls, doc, iterate, close)
        HANDLE_KINDS[cls] = kind
        return cls

    return declare


def _unmet(needs: str, params: tuple[Param, ...]) -> list[str]:
    """What is wrong with a need: it may name a parameter that is not there."""
    if ":" in needs and needs.partition(":")[2] not in {f"{{{p.name}}}" for p in params}:
        return [f"needs {needs!r}, which names no parameter"]
    return []


def _read(
    name: str, function: Callable[..., Any], context: bool = True
) -> tuple[dict[str, Any], list[str]]:
    mistakes: list[str] = []
    doc, entries = prose(function.__doc__ or "")
    if not doc:
        mistakes.append("has no description")
    try:
        hints = typing.get_type_hints(function, vars(sys.modules[function.__module__]))
    except NameError as error:
        mistakes.append(f"has an annotation that does not resolve: {error}")
        # Go on with what is there, so that this hides no other mistake.
        hints = {name: None if name == "return" else Any for name in function.__annotations__}
    names, params = list(inspect.signature(function).parameters.values()), []
    if context and (not names or names[0].name != "ctx"):
        mistakes.append("must take ctx as its first parameter")
    for parameter in names[1:] if context else names:
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            mistakes.append(f"parameter {parameter.name} must be an ordinary one")
        if parameter.name not in hints:
            mistakes.append(f"parameter {parameter.name} is untyped")
        if parameter.name not in entries:
            mistakes.append(f"parameter {parameter.name} is undocumented")
        if (
            parameter.name in hints
            and (type_ := _type(parameter.name, hints[parameter.name], mistakes)) is not None
        ):
            if not _made(type_):
                mistakes.append(f"parameter {parameter.name}: a class registered without of")
            text = entries.get(parameter.name, "")
            params.append(Param(parameter.name, type_, text, parameter.default))
    known = {p.name for p in names} | {"returns"}
    mistakes += [f"documents {entry}, which it does not take" for entry in entries.keys() - known]
    returns: Type = typespec.Nothing()
    if "return" not in hints:
        mistakes.append("has no result type")
    elif (type_ := _type("result", hints["return"], mistakes)) is not None:
        returns = type_
        if not isinstance(type_, typespec.Nothing) and "returns" not in entries:
            mistakes.append("does not document what it returns")
    return {
        "doc": doc, "params": tuple(params), "returns": returns,
        "returns_doc": entries.get("returns", ""),
    }, mistakes  # fmt: skip


def _made(type_: Type) -> bool:
    """Whether values of a type can be made of what a script gives."""
    return getattr(type_, "makes", True) and all(map(_made, type_.children()))


def _type(name: str, annotation: Any, mistakes: list[str]) -> Type | None:
    try:
        return typespec.read(annotation)
    except TypeError as error:
        mistakes.append(f"{name}: {error}")
        return None
