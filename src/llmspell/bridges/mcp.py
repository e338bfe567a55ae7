"""mcp: servers of the Model Context Protocol, whose tools a script may use."""

from __future__ import annotations

from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.tools.mcp import McpOptions, McpTool


@capability("mcp.connect", since="0.1")
async def connect(ctx: Context, name: str, options: McpOptions = McpOptions()) -> list[McpTool]:
    """Connects to an MCP server until the run ends.

    name: what this run calls the server.
    options: where it is: a command (needs the grant exec) or a URL (needs the grant net); nothing
        for a server of the settings.
    returns: its tools.
    """
    ctx.mcp.declare(name, options)
    return await ctx.mcp.tools(name)


@capability("mcp.call", since="0.1")
async def call(ctx: Context, name: str, tool: str, args: dict[str, Any] | None = None) -> Any:
    """Calls a tool of an MCP server.

    name: what this run calls the server.
    tool: name of the tool.
    args: its arguments.
    returns: its structured result, else its text, else the parts of its result.
    """
    return await ctx.mcp.call(name, tool, args or {})


@capability("mcp.close", since="0.1")
async def close(ctx: Context, name: str) -> None:
    """Ends the connection to an MCP server. Tools of it that were registered stay, and fail.

    name: what this run calls the server.
    """
    await ctx.mcp.close(name)
