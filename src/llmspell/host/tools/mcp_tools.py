"""The tools of an MCP server as tools of a run, called through the gate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import BadArgument
from .facts import ToolOptions
from .mcp import McpOptions
from .toolbox import Tool

if TYPE_CHECKING:
    from ..context import Context


@dataclass(frozen=True, slots=True)
class SkippedTool:
    """A tool of a server that cannot be one here.

    name: its name there.
    reason: why.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class McpTools:
    """The tools a server gave.

    names: their names here, in the order of the server.
    skipped: those that cannot be tools here.
    """

    names: list[str]
    skipped: list[SkippedTool]


async def register(
    ctx: Context, server: str, options: McpOptions, prefix: str, wanted: list[str] | None
) -> McpTools:
    """Makes the tools of a server tools of the run. Raises BadArgument for a name it has not."""
    place = plain(options)
    # Here too: where a restored run has the answer of the call, the server is not known by it.
    ctx.mcp.declare(server, McpOptions(**place))
    told: list[dict[str, Any]] = await ctx.invoke("mcp.connect", server, place)
    offered = {item["name"]: item for item in told}
    for name in wanted or ():
        if name not in offered:
            raise BadArgument(f"{server} has no tool {name[:100]}")
    names: list[str] = []
    skipped: list[SkippedTool] = []
    for name in offered if wanted is None else wanted:
        try:
            tool = _tool(server, prefix, offered[name])
            if tool.name in names:
                raise BadArgument(f"{tool.name} is the name of another tool of it too")
            ctx.meter.hold(ctx.tools.add(tool))
            names.append(tool.name)
        except BadArgument as error:
            skipped.append(SkippedTool(name, error.message))
    return McpTools(names, skipped)


def plain(options: McpOptions) -> dict[str, Any]:
    """Options as a script would give them."""
    fields = ("command", "url", "headers", "folder", "variables", "timeout")
    told = {name: getattr(options, name) for name in fields}
    return {name: value for name, value in told.items() if value is not None}


def _tool(server: str, prefix: str, item: dict[str, Any]) -> Tool:
    async def run(ctx: Context, args: dict[str, Any]) -> Any:
        return await ctx.invoke("mcp.call", server, item["name"], args)

    schema = item.get("schema") or {}
    facts = ToolOptions(
        category="mcp",
        tags=[server],
        is_destructive=item.get("is_destructive"),
        output_schema=item.get("output_schema"),
    )
    name = tool_name(prefix, item["name"])
    alias = tool_name(f"{server}_", item["name"])
    return Tool(name, item["description"], schema, run, "mcp", facts, alias)


def tool_name(prefix: str, name: str) -> str:
    """A name that models take: what they do not is an underscore."""
    return (prefix + re.sub(r"[^A-Za-z0-9_-]", "_", name[:64]))[:64]
