"""Functions of the embedding program: those its scripts may call, and those that are tools.

    async def price(article: str, amount: int = 1) -> Decimal:
        \"""Looks up what an article costs.

        article: its number in the catalogue.
        amount: how many.
        returns: the price of all.
        \"""

    Session(functions={"shop.price": price})

Each is declared like any other capability, so the gate, argument errors, the record of calls, a
journal and isolation treat it as one. To give a function is to allow it; `Function` says more.

`Session(tools=[price])` makes it a tool called `price` instead, for `tools.execute`, agents and
workflows: it needs a grant, and the rules about tools hold for it.
"""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .. import bridges
from ..capability import Capability, DeclarationError, declared
from ..engines.base import Signature
from ..errors import UsageError
from ..host.failures import failure_of
from ..policy import KINDS
from .catalogue import builtin_tools, names, selection, signature, tool_of

if TYPE_CHECKING:
    from ..host.context import Context
    from ..host.tools.toolbox import Tool

F = TypeVar("F", bound=Callable[..., Any])

KEYWORDS = frozenset({
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if",
    "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
})  # fmt: skip
"""What cannot stand behind a dot in every script language."""

GLOBALS = frozenset({
    "array", "async", "await", "bigint", "boolean", "case", "catch", "class", "const",
    "console", "continue", "coroutine", "date", "debug", "default", "delete", "enum", "error",
    "eval", "export", "extends", "fmt", "func", "global", "import", "instanceof", "interface",
    "let", "map", "math", "module", "new", "null", "number", "object", "os", "package",
    "params", "parallel", "print", "process", "promise", "set", "sleep", "spawn", "string",
    "super", "switch", "symbol", "table", "text", "this", "throw", "try", "type", "undefined",
    "utf8", "var", "void", "with", "yield",
})  # fmt: skip
"""What else a namespace cannot be called: it means something in a script language."""


class Function(NamedTuple):
    """A function for scripts, with more than its name.

    call: the function, typed and documented. A plain one holds up the event loop while it works.
    needs: the kind of grant a script needs to call it, such as "net", or "fs.read:{path}" where
        the parameter `path` names the resource.
    tool: the name under which models may call it.
    """

    call: Callable[..., Any]
    needs: str = ""
    tool: str = ""


def tool(function: F) -> F:
    """Declares a function as a tool for models and scripts: `Session(tools=[function])`.

    Its name is the tool's, its types are the schema, its docstring is the text. It may be a
    coroutine function; a plain one holds up the event loop while it works. It stays as it is.
    Raises UsageError, with all mistakes, where it is not typed and documented like a capability.
    """
    _declared_tool(function)
    return function


class Functions:
    """The functions of one session, declared. Raises UsageError for what cannot be one.

    catalogue: they, the tools, and the capabilities of the features.
    names: the same as engines bind them, without the tools: those are run by `tools.execute`.
    """

    def __init__(
        self,
        given: Mapping[str, Callable[..., Any] | Function],
        tools: Iterable[Callable[..., Any]],
        features: tuple[str, ...],
    ) -> None:
        own = {name: _declared(name, function) for name, function in given.items()}
        self._features = features
        self._tools = {item.tool: tool_of(item, "host") for item in own.values() if item.tool}
        known: dict[str, Capability] = dict(own)
        for item in map(_declared_tool, tools):
            if item.tool in self._tools:
                raise UsageError(f"tools: there are two tools {item.tool}")
            if item.tool in builtin_tools(()):
                raise UsageError(f"tools: {item.tool} is a built-in tool: choose another name")
            known[item.name] = item
            self._tools[item.tool] = tool_of(item, "host")
        self.catalogue: Mapping[str, Capability] = ChainMap(known, selection(features))  # type: ignore[arg-type]
        bound = {name: signature(item) for name, item in own.items()}
        self.names: Mapping[str, Signature] = {**names(features), **bound}

    def tools(self) -> Mapping[str, Tool]:
        """Every tool there is without the script's own."""
        return builtin_tools(self._features) | self._tools


def _declared(name: str, given: Callable[..., Any] | Function) -> Capability:
    call, needs, tool = given if isinstance(given, Function) else Function(given)
    namespace, _, verb = name.partition(".")
    for part in (namespace, verb):
        if not (part.isidentifier() and part.isascii()):
            raise UsageError(f"functions: {name!r} must be named namespace.verb")
        if part in KEYWORDS or (part == namespace and part.lower() in GLOBALS):
            raise UsageError(f"functions: {name}: {part} is a word of a script language")
    if namespace in bridges.NAMESPACES:
        raise UsageError(f"functions: {name}: the namespace {namespace} is llmspell's own")
    if not inspect.isroutine(call):
        raise UsageError(f"functions: {name} must be a function, got {type(call).__name__}")
    kind, _, _ = needs.partition(":")
    if kind and kind not in KINDS:
        raise UsageError(f"functions: {name}: {kind!r} is not a kind of grant: {', '.join(KINDS)}")
    try:
        return declared(name, call, _shielded(name, call), needs, tool)
    except DeclarationError as error:
        raise UsageError(f"functions: {error}") from None


def _declared_tool(call: Callable[..., Any]) -> Capability:
    if not inspect.isroutine(call):
        raise UsageError(f"tools: a tool must be a function, got {type(call).__name__}")
    from ..host.tools.toolbox import NAME

    name = call.__name__
    if NAME.fullmatch(name) is None:
        raise UsageError(
            f"tools: {name[:100]!r} cannot name a tool: use up to 64 letters, digits or _"
        )
    inner = _shielded(name, call)

    def demand(ctx: Context) -> None:
        # Again, because a worker that is not ours any more may call this without tools.execute.
        ctx.demand("tool", name)

    async def later(ctx: Context, *args: Any) -> Any:
        demand(ctx)
        return await inner(ctx, *args)

    def now(ctx: Context, *args: Any) -> Any:
        demand(ctx)
        return inner(ctx, *args)

    guarded = later if inspect.iscoroutinefunction(call) else now
    try:
        # In a namespace of its own inside `tools`, which no function of a program can be in.
        return declared(f"tools.host.{name}", call, guarded, "tool", name)
    except DeclarationError as error:
        told = str(error).removeprefix("tools.host.")
        raise UsageError(f"tools: {told}") from None


def _shielded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The function as the gate calls it. What it raises tells a script nothing of its inside."""

    async def later(ctx: Context, *args: Any) -> Any:
        try:
            return await call(*args)
        except Exception as error:
            raise failure_of(name, error) from error

    def now(ctx: Context, *args: Any) -> Any:
        try:
            return call(*args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # nobody can have cancelled what waits for nothing
            raise failure_of(name, error) from error

    return later if inspect.iscoroutinefunction(call) else now
