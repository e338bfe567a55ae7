"""tools: named functions with a JSON Schema, for scripts and for models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from ..capability import capability
from ..errors import near_miss
from ..host.context import Context
from ..host.formats import arithmetic
from ..host.tools import chains as tool_chains
from ..host.tools import docs as tool_docs
from ..host.tools import mcp_tools, spell_tools
from ..host.tools import toolbox as tools
from ..host.tools.approvals import ToolRequest
from ..host.tools.chains import ToolCall, ToolOutcome
from ..host.tools.facts import ToolOptions
from ..host.tools.mcp import McpOptions
from ..host.tools.mcp_tools import McpTools
from ..host.tools.metrics import ToolMetrics
from ..host.tools.spell_tools import FromSpellOptions
from ..policy import KINDS
from ..typespec import JsonSchema
from ..values import FunctionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolInfo(ToolOptions):
    """A tool, and all that is said of it.

    name: its name.
    description: what it does.
    schema: JSON Schema of its arguments.
    origin: "builtin", "host" when the program that runs the spell gave it, "script", or "mcp",
        "agent" and "spell" when it stands for a tool of a server, an agent or a spell.
    """

    name: str
    description: str
    schema: dict[str, Any]
    origin: str


@dataclass(frozen=True, slots=True)
class ToolQuery:
    """Which tools to list; what is left out does not matter.

    category: of this category.
    tags: with all of these tags.
    permission: that use this kind of grant.
    origin: from there: "builtin", "host", "script", "mcp", "agent" or "spell".
    deprecated: whether another should be used instead.
    """

    category: str | None = None
    tags: list[str] | None = None
    permission: str | None = None
    origin: Literal["builtin", "host", "script", "mcp", "agent", "spell"] | None = None
    deprecated: bool | None = None

    def __post_init__(self) -> None:
        if self.permission is not None and self.permission not in KINDS:
            close = near_miss(self.permission, KINDS) or f": {', '.join(KINDS)}"
            raise ValueError(f"permission {self.permission!r} is no kind of grant{close}")


@dataclass(frozen=True, slots=True)
class ExecuteOptions:
    """How to run a tool.

    timeout: seconds after which it is given up.
    """

    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout must be above 0, got {self.timeout:g}")


@dataclass(frozen=True, slots=True)
class ParallelOptions:
    """How to run several tools at the same time.

    max_concurrent: how many at most, 1 to 64.
    """

    max_concurrent: int = 16


@dataclass(frozen=True, slots=True)
class ComposeOptions:
    """How tools become one.

    description: what it does, for the model that chooses it.
    mode: "pipeline" gives each what the one before gave, and takes the arguments of the first;
        "parallel" gives all the same, and gives a map from their names to what came of each.
    """

    description: str | None = None
    mode: Literal["pipeline", "parallel"] = "pipeline"


@dataclass(frozen=True, slots=True)
class FromMcpOptions(McpOptions):
    """Which tools of an MCP server to take, and where it is.

    prefix: what is put in front of their names; the name of the server and an underscore when
        left out.
    tools: names of the tools; all when left out.
    """

    prefix: str | None = None
    tools: list[str] | None = None


@dataclass(frozen=True, slots=True)
class DocsOptions:
    """What to write about tools.

    format: "markdown", "openapi" (3.1), "mcp" (what a server answers to tools/list) or "json".
    tools: names of the tools; all when left out.
    """

    format: tool_docs.Format = "markdown"
    tools: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a value fits.

    valid: whether it does.
    errors: what is wrong, each with its path; empty when nothing is.
    """

    valid: bool
    errors: list[str]


@dataclass(frozen=True, slots=True)
class Approval:
    """What was said to a call of a tool.

    allowed: whether it may be made.
    reason: why not, or nothing.
    """

    allowed: bool
    reason: str | None = None


@capability("tools.register", since="0.1", needs="tool:{name}", again=True)
def register(
    ctx: Context,
    name: str,
    description: str,
    schema: JsonSchema,
    handler: FunctionRef,
    options: ToolOptions = ToolOptions(),
) -> None:
    """Makes a function of the script a tool. The handler gets one map of arguments.

    name: name of the tool; letters, digits, _ and -.
    description: what it does, for the model that chooses it.
    schema: JSON Schema of its arguments, of type object.
    handler: the function that does it.
    options: what else is said of it: category, output schema, timeout and so on.
    """
    ctx.meter.hold(ctx.tools.register(name, description, schema, handler, options))


@capability("tools.remove", since="0.1", needs="tool:{name}", again=True)
def remove(ctx: Context, name: str) -> None:
    """Takes away a tool that this run has added.

    name: name of the tool.
    """
    ctx.tools.remove(name)


@capability("tools.execute", since="0.1", needs="tool:{name}", again=True)
async def execute(
    ctx: Context,
    name: str,
    args: dict[str, Any] | None = None,
    options: ExecuteOptions = ExecuteOptions(),
) -> Any:
    """Runs a tool, after checking its arguments against its schema. What it gives is checked too,
    where the tool has an output schema.

    name: name of the tool.
    args: its arguments.
    options: how long it may take.
    returns: what the tool gives.
    """
    return await ctx.tools.execute(ctx, name, args or {}, options.timeout)


@capability("tools.parallel", since="0.1", needs="tool", again=True)
async def parallel(
    ctx: Context, calls: list[ToolCall], options: ParallelOptions = ParallelOptions()
) -> list[ToolOutcome]:
    """Runs tools at the same time. One that fails does not stop the others.

    calls: names and arguments, at most 1000.
    options: how many at a time.
    returns: what came of each, in the order of the calls.
    """
    return await tool_chains.all_of(ctx, calls, options.max_concurrent)


@capability("tools.pipeline", since="0.1", needs="tool", again=True)
async def pipeline(ctx: Context, names: list[str], input: Any = None) -> Any:
    """Runs tools one after another, each with what the one before gave: a map is its arguments,
    anything else is given to it as `input`. The first failure ends it.

    names: the tools, in order.
    input: what the first gets.
    returns: what the last gives.
    """
    tool_chains.chain(ctx, names)
    return await tool_chains.one_after_another(ctx, names, input)


@capability("tools.compose", since="0.1", needs="tool:{name}", again=True)
def compose(
    ctx: Context, name: str, names: list[str], options: ComposeOptions = ComposeOptions()
) -> None:
    """Makes one tool of several.

    name: name of the new tool.
    names: the tools it is made of, in order.
    options: what it does, and how they work together.
    """
    tools = tool_chains.chain(ctx, names)
    told = options.description or f"Runs {', '.join(names)} ({options.mode})."
    ctx.meter.hold(ctx.tools.add(tool_chains.composed(name, told, tools, options.mode)))


@capability("tools.from_mcp", since="0.1", needs="tool", again=True)
async def from_mcp(
    ctx: Context, server: str, options: FromMcpOptions = FromMcpOptions()
) -> McpTools:
    """Connects to an MCP server and makes its tools tools of this run. Their schemas are checked
    here, and rules and metrics hold for them as for others.

    server: what this run calls the server, or the name of one of the settings.
    options: where it is, and which of its tools to take.
    returns: the names of the tools here, and what cannot be one.
    """
    prefix = f"{server}_" if options.prefix is None else options.prefix
    return await mcp_tools.register(ctx, server, options, prefix, options.tools)


@capability("tools.from_spell", since="0.1", needs="tool", again=True)
def from_spell(ctx: Context, path: str, options: FromSpellOptions = FromSpellOptions()) -> str:
    """Makes a spell a tool of this run, which runs it as `spell.run` does and gives what it
    returned. The file is read each time.

    path: its file, as for spell.run.
    options: its name, description and schema, and what else is said of it.
    returns: the name of the tool.
    """
    return spell_tools.register(ctx, path, options)


@capability("tools.list", since="0.1")
def list_(ctx: Context, query: ToolQuery = ToolQuery()) -> list[str]:
    """Lists the tools there are.

    query: which of them; all when left out.
    returns: their names, sorted.
    """
    wanted = tools.ToolFilter(
        query.category, query.tags, query.permission, query.origin, query.deprecated
    )
    return [tool.name for tool in ctx.tools.all() if wanted.fits(tool)]


@capability("tools.search", since="0.1")
def search(ctx: Context, text: str) -> list[str]:
    """Finds tools by what is said of them: name, category, tags, description and instructions.

    text: words that must all be there, in any order and case.
    returns: names of the tools, those with the words in their name first.
    """
    return [tool.name for tool in tools.found(ctx.tools.all(), text)]


@capability("tools.categories", since="0.1")
def categories(ctx: Context) -> dict[str, int]:
    """Tells the categories of the tools there are.

    returns: each category with how many tools it has.
    """
    found = [tool.facts.category for tool in ctx.tools.all() if tool.facts.category]
    return {category: found.count(category) for category in sorted(set(found))}


@capability("tools.get_info", since="0.1")
def get_info(ctx: Context, name: str) -> ToolInfo:
    """Describes a tool.

    name: name of the tool.
    returns: its description, schema and what else is said of it.
    """
    # What is not said is not there; a record would have it as null in JavaScript.
    return cast("ToolInfo", tool_docs.record(ctx.tools.get(name)))


@capability("tools.validate", since="0.1")
def validate(ctx: Context, name: str, args: dict[str, Any]) -> Verdict:
    """Checks arguments against the schema of a tool, without running it.

    name: name of the tool.
    args: the arguments.
    returns: whether they fit, and what is wrong.
    """
    faults = ctx.tools.faults(name, args)
    return Verdict(not faults, faults)


@capability("tools.validate_result", since="0.1")
def validate_result(ctx: Context, name: str, result: Any) -> Verdict:
    """Checks a value against the output schema of a tool; everything fits one without.

    name: name of the tool.
    result: the value.
    returns: whether it fits, and what is wrong.
    """
    faults = ctx.tools.result_faults(name, result)
    return Verdict(not faults, faults)


@capability("tools.metrics", since="0.1")
def metrics(ctx: Context) -> dict[str, ToolMetrics]:
    """Tells how the tools were used in this run.

    returns: for each tool that was called, how often, how that ended and how long it took.
    """
    return dict(ctx.tools.metrics)


@capability("tools.reset_metrics", since="0.1", rebuilds=True)
def reset_metrics(ctx: Context) -> None:
    """Begins to count the use of tools anew."""
    ctx.tools.metrics.clear()


@capability("tools.restrict", since="0.1", again=True)
def restrict(ctx: Context, pattern: str, decision: Literal["allow", "ask", "deny"]) -> None:
    """Adds a rule about tools for the rest of this run. Of rules that match, the last one counts,
    and the stricter of it and what whoever runs the spell has decided.

    pattern: name of a tool; * stands for any letters, such as "file_*".
    decision: "deny", "ask" (a person must agree to each call) or "allow", which takes back an
        earlier rule of this script.
    """
    ctx.tools.restrictions.add(pattern, decision)


@capability("tools.approve", since="0.1", needs="tool:{name}")
async def approve(ctx: Context, name: str, args: dict[str, Any]) -> Approval:
    """Asks whoever runs the spell whether a tool may be called. Where a rule says "ask",
    `tools.execute` does so itself.

    name: name of the tool.
    args: what it would be called with.
    returns: whether it may, and why not.
    """
    tool = ctx.tools.get(name)
    request = ToolRequest(name, tool.description, args, tool.origin, ctx.run_id)
    agreed = await ctx.tools.restrictions.approvals.ask(request)
    if agreed is None:
        return Approval(False, "nobody can be asked")
    return Approval(agreed, None if agreed else "whoever runs the spell refused")


@capability("tools.docs", since="0.1")
def docs(ctx: Context, options: DocsOptions = DocsOptions()) -> str:
    """Writes about tools, for people or for programs.

    options: about which, and in which format.
    returns: the document.
    """
    chosen = ctx.tools.names() if options.tools is None else options.tools
    return tool_docs.document((ctx.tools.get(name) for name in chosen), options.format)


@capability("tools.calculate", since="0.1", tool="calculator")
def calculate(ctx: Context, expression: str) -> int | float | bool:
    """Works out an arithmetic expression, such as "(2 + 3) * sqrt(16)".

    expression: numbers, + - * / // %, ** for a power (not ^), comparisons, pi, e, and functions
        such as sqrt and round.
    returns: its value.
    """
    return arithmetic.calculate(expression)
