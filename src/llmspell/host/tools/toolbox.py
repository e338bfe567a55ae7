"""Tools: named functions with a JSON Schema, which scripts and models may run.

Built-in tools are capabilities seen from a model's side; a script registers its own, and MCP
servers give more. Running one goes through the gate (`tools.execute`), whoever asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadArgument, CapabilityError, Denied, HostFailure, NotFound, near_miss
from ..schemas.schema import check_cheap, mended, refuse_foreign, refuse_misspelt, validator
from .approvals import Approvals, Restrictions, strictness
from .facts import NOTHING_SAID, ToolOptions, check
from .metrics import ToolMetrics

if TYPE_CHECKING:
    from ...values import FunctionRef
    from ..context import Context

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What model providers accept as the name of a tool."""


MAX_TOOLS = 256
"""Tools of one script: as many as models take, and their texts are kept until the run ends."""

MAX_TEXT = 64 * 1024
"""Characters of a description."""

CALLER: ContextVar[Any] = ContextVar("CALLER", default=None)
"""The run of an agent in whose name a tool is run: an agent that is the tool counts with it."""

MAX_QUERY = 500
MAX_WORDS = 20
"""Characters and words of a search: each word is looked for in all that is said of every tool."""

ORIGINS = ("builtin", "host", "script", "mcp", "agent", "spell")
"""Where a tool may come from."""


class Tool(NamedTuple):
    """A tool: what a model is told of it, and what runs it. `origin` is one of ORIGINS, `facts`
    what else is said of it, `alias` a name by which rules know it too, whatever a script calls it.
    """

    name: str
    description: str
    schema: dict[str, Any]
    run: Callable[[Context, dict[str, Any]], Awaitable[Any]]
    origin: str
    facts: ToolOptions = NOTHING_SAID
    alias: str = ""


class Toolbox:
    """The tools of one run.

    restrictions: which of them may be used.
    metrics: how often each was.
    """

    def __init__(
        self, builtins: Callable[[], Mapping[str, Tool]], approvals: Approvals | None = None
    ) -> None:
        self._all_builtins = builtins
        self._own: dict[str, Tool] = {}
        self.restrictions = Restrictions(approvals or Approvals())
        self.metrics: dict[str, ToolMetrics] = {}

    @property
    def _builtins(self) -> Mapping[str, Tool]:
        return self._all_builtins()

    def register(
        self,
        name: str,
        description: str,
        schema: dict[str, Any],
        handler: FunctionRef,
        facts: ToolOptions = NOTHING_SAID,
    ) -> int:
        """Adds a tool of the script. Registering a name again replaces it.

        Gives how many characters are kept of it.
        """

        async def run(ctx: Context, args: dict[str, Any]) -> Any:
            with in_nobodys_name():
                return await handler(args)

        return self.add(Tool(name, description, schema, run, "script", facts))

    def add(self, tool: Tool) -> int:
        """Adds a tool for this run, which others than a person may have written.

        Gives how many characters are kept of it. Raises BadArgument.
        """
        name, schema = tool.name, tool.schema
        if NAME.fullmatch(name) is None:
            raise BadArgument(
                f"{name[:100]!r} cannot name a tool: use up to 64 letters, digits, _ or -, "
                "starting with a letter"
            )
        if name in self._builtins:
            raise BadArgument(f"{name} is a built-in tool: choose another name")
        if name not in self._own and len(self._own) == MAX_TOOLS:
            raise BadArgument(f"{name}: a script has at most {MAX_TOOLS} tools")
        if len(tool.description) > MAX_TEXT:
            raise BadArgument(f"{name}: the description is longer than {MAX_TEXT} characters")
        if schema.get("type", "object") != "object":
            raise BadArgument(f"{name}: the schema must be of type object")
        if tool.origin != "mcp":
            refuse_foreign(schema, f"{name}: schema")
            refuse_foreign(tool.facts.output_schema or {}, f"{name}: options.output_schema")
        schema = {"type": "object", **schema}
        check_cheap(schema)
        validator(schema)
        size = len(tool.description) + len(str(schema)) + check(name, tool.facts)
        if tool.origin != "mcp":  # who wrote the schema of a server is not there to mend it
            refuse_misspelt(schema, f"{name}: schema")
            refuse_misspelt(tool.facts.output_schema, f"{name}: options.output_schema")
        self._own[name] = tool._replace(schema=schema)
        return size

    def remove(self, name: str) -> None:
        """Takes away a tool that was added. Raises BadArgument for a built-in one."""
        self.get(name)
        if name not in self._own:
            raise BadArgument(f"{name} is a built-in tool, which cannot be removed")
        del self._own[name]
        self.metrics.pop(name, None)

    def get(self, name: str) -> Tool:
        """The tool called `name`. Raises NotFound with the nearest name there is."""
        tool = self._own.get(name) or self._builtins.get(name)
        if tool is None:
            raise NotFound(f"there is no tool {name[:100]}{near_miss(name, self.names())}")
        return tool

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted([*self._builtins, *self._own])

    def all(self) -> list[Tool]:
        """Every tool, by name."""
        return [self.get(name) for name in self.names()]

    def faults(self, name: str, args: dict[str, Any]) -> list[str]:
        """What is wrong with arguments."""
        tool = self.get(name)
        # What a format means to a server is for the server to say.
        checked = validator(tool.schema, formats=tool.origin != "mcp")
        return [*map(str, checked.faults(mended(args, tool.schema), "the arguments"))]

    def result_faults(self, name: str, result: Any) -> list[str]:
        """What is wrong with a result: nothing when the tool does not say what it gives."""
        return _result_faults(self.get(name), result)

    async def execute(
        self,
        ctx: Context,
        name: str,
        args: dict[str, Any],
        timeout: float | None = None,  # noqa: ASYNC109 - what it says is what callers set
        hooked: bool = False,
    ) -> Any:
        """Checks the arguments, asks who must agree, runs the tool and checks what it gives.

        timeout: seconds; the shorter of this and the tool's own counts.
        hooked: whether the hooks of the run have had their turns.
        """
        if ctx.hooked and not hooked:
            run = partial(self.execute, ctx, name, timeout=timeout, hooked=True)
            return await ctx.hooks.around_tool(name, args, run)
        tool = self.get(name)
        metrics = self.metrics.setdefault(name, ToolMetrics())
        began = perf_counter()
        try:
            try:
                if faults := self.faults(name, args):
                    raise BadArgument(f"{name}: {'; '.join(faults)}")
                await self._admit(ctx, tool, args)
            except CapabilityError:
                metrics.refused += 1
                raise
            result = await self._run(ctx, tool, mended(args, tool.schema), timeout)
            # Those of the tool that ran: it may have taken itself away meanwhile.
            if faults := _result_faults(tool, result):
                told = "; ".join(faults)
                raise HostFailure(f"{name} gave what it must not give: {told}", code="result")
            return mended(result, tool.facts.output_schema)
        except Exception as error:
            code = getattr(error, "code", "internal")
            metrics.timeouts += code == "timeout"
            metrics.fail(code)
            raise
        finally:
            metrics.end(perf_counter() - began)

    async def _admit(self, ctx: Context, tool: Tool, args: dict[str, Any]) -> None:
        """Raises Denied where a rule forbids the call, or a person who must agree does not."""
        confirm = bool(tool.facts.requires_confirmation)
        names = {tool.name, tool.alias or tool.name}
        decided = [self.restrictions.decide(name, tool.origin, confirm) for name in sorted(names)]
        rule = max(decided, key=strictness)
        if rule.decision == "deny":
            raise Denied(f"{tool.name} is denied by the rule for {rule.pattern}")
        if rule.decision == "ask" and not (
            verdict := await ctx.invoke("tools.approve", tool.name, args)
        ).get("allowed"):
            raise Denied(f"{tool.name} was not approved: {verdict.get('reason')}")

    async def _run(
        self, ctx: Context, tool: Tool, args: dict[str, Any], wanted: float | None
    ) -> Any:
        given = [seconds for seconds in (wanted, tool.facts.timeout) if seconds is not None]
        if not given:
            return await tool.run(ctx, args)
        import asyncio

        seconds = min(given)
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                return await tool.run(ctx, args)
        except TimeoutError:
            if not clock.expired():
                raise
            raise HostFailure(
                f"{tool.name} took longer than {seconds:g} s", code="timeout", retryable=True
            ) from None


@contextmanager
def in_nobodys_name() -> Iterator[None]:
    """Around what runs a script: what it calls is called by the script, not by an agent.

    The loop gives a script its turns in the name of whoever woke it, for all that it does then.
    """
    token = CALLER.set(None)
    try:
        yield
    finally:
        CALLER.reset(token)


def _result_faults(tool: Tool, result: Any) -> list[str]:
    schema = tool.facts.output_schema
    if schema is None:
        return []
    return [*map(str, validator(schema).faults(mended(result, schema), "the result"))]


class ToolFilter(NamedTuple):
    """Which tools are wanted; None wants all."""

    category: str | None
    tags: list[str] | None
    permission: str | None
    origin: str | None
    deprecated: bool | None

    def fits(self, tool: Tool) -> bool:
        """Whether a tool is wanted."""
        facts = tool.facts
        return (
            self.category in (None, facts.category)
            and (self.tags is None or set(self.tags) <= set(facts.tags or ()))
            and (self.permission is None or self.permission in _kinds(facts.permissions or ()))
            and self.origin in (None, tool.origin)
            and self.deprecated in (None, bool(facts.deprecated))
        )


def _kinds(kinds: Iterable[str]) -> set[str]:
    """Kinds of grants, and those they are part of: fs.read is of fs."""
    return {part for kind in kinds for part in (kind, kind.partition(".")[0])}


def found(tools: Iterable[Tool], text: str) -> list[Tool]:
    """The tools that speak of every word of a text, those that have them in their name first."""
    words = dict.fromkeys(text[: MAX_QUERY + 1].lower().split())
    if len(text) > MAX_QUERY or len(words) > MAX_WORDS:
        raise BadArgument(f"text must have at most {MAX_QUERY} characters and {MAX_WORDS} words")
    told: list[tuple[int, str, Tool]] = []
    for tool in tools:
        name = tool.name.lower()
        facts = tool.facts
        near = " ".join([name, facts.category or "", *(facts.tags or ())]).lower()
        all_of_it = f"{near} {tool.description} {facts.usage_instructions or ''}".lower()
        if all(word in all_of_it for word in words):
            told.append((-sum((word in name) * 2 + (word in near) for word in words), name, tool))
    return [tool for _, _, tool in sorted(told, key=lambda one: one[:2])]
