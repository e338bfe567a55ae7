"""tools: named functions with a JSON Schema, for scripts and for models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..capability import capability
from ..host import arithmetic
from ..host.context import Context
from ..typespec import JsonSchema
from ..values import FunctionRef


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A tool, as a model is told of it.

    name: its name.
    description: what it does.
    schema: JSON Schema of its arguments.
    origin: "builtin", "host" when the program that runs the spell gave it, or "script".
    """

    name: str
    description: str
    schema: dict[str, Any]
    origin: str


@capability("tools.register", since="0.1", needs="tool:{name}", again=True)
def register(
    ctx: Context, name: str, description: str, schema: JsonSchema, handler: FunctionRef
) -> None:
    """Makes a function of the script a tool. The handler gets one map of arguments.

    name: name of the tool; letters, digits, _ and -.
    description: what it does, for the model that chooses it.
    schema: JSON Schema of its arguments, of type object.
    handler: the function that does it.
    """
    ctx.tools.register(name, description, schema, handler)


@capability("tools.execute", since="0.1", needs="tool:{name}", again=True)
async def execute(ctx: Context, name: str, args: dict[str, Any] | None = None) -> Any:
    """Runs a tool, after checking its arguments against its schema.

    name: name of the tool.
    args: its arguments.
    returns: what the tool gives.
    """
    return await ctx.tools.execute(ctx, name, args or {})


@capability("tools.list", since="0.1")
def list_(ctx: Context) -> list[str]:
    """Lists the tools there are.

    returns: their names, sorted.
    """
    return ctx.tools.names()


@capability("tools.get_info", since="0.1")
def get_info(ctx: Context, name: str) -> ToolInfo:
    """Describes a tool.

    name: name of the tool.
    returns: its description and schema.
    """
    tool = ctx.tools.get(name)
    return ToolInfo(tool.name, tool.description, tool.schema, tool.origin)


@capability("tools.calculate", since="0.1", tool="calculator")
def calculate(ctx: Context, expression: str) -> int | float | bool:
    """Works out an arithmetic expression, such as "(2 + 3) * sqrt(16)".

    expression: numbers, + - * / // % **, comparisons, pi, e, and functions such as sqrt and round.
    returns: its value.
    """
    return arithmetic.calculate(expression)
