"""Spells as tools: a file that a model may run, with the arguments as its params.

register(ctx, path, options)    makes one
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ...typespec import JsonSchema
from ..spells import SpellLimits
from .facts import ToolOptions
from .mcp_tools import tool_name
from .toolbox import Tool, in_nobodys_name

if TYPE_CHECKING:
    from ..context import Context


@dataclass(frozen=True, slots=True)
class FromSpellOptions(ToolOptions):
    """What is said of a spell that is a tool, as of any other, and how it is run.

    name: name of the tool; that of the file by default.
    description: what it does, for the model that chooses it.
    schema: JSON Schema of its arguments, which are the params of the spell.
    limits: what one run of it may use.
    """

    name: str | None = None
    description: str | None = None
    schema: JsonSchema | None = None
    limits: SpellLimits | None = None


def register(ctx: Context, path: str, options: FromSpellOptions) -> str:
    """Makes a spell a tool of the run. Gives its name. The file is read when the tool is run."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name = tool_name("", stem) if options.name is None else options.name
    ctx.demand("tool", name)
    given = {} if options.limits is None else options.limits.given()

    async def run(ctx: Context, args: dict[str, Any]) -> Any:
        told = {"limits": given} if given else {}
        with in_nobodys_name():
            return (await ctx.invoke("spell.run", path, args, told))["result"]

    facts = ToolOptions(**{item.name: getattr(options, item.name) for item in fields(ToolOptions)})
    told = options.description or f"Runs the spell {stem}."
    schema: dict[str, Any] = options.schema or {"type": "object"}
    ctx.meter.hold(ctx.tools.add(Tool(name, told, schema, run, "spell", facts)))
    return name
