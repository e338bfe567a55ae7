"""io: the output of the run and its standard input."""

from __future__ import annotations

from typing import Literal

from ..capability import capability
from ..host.context import Context


@capability("io.write", since="0.1", oneway=True)
def write(ctx: Context, text: str) -> None:
    """Prints text as it is, without a line end. `print` adds one.

    text: what to print.
    """
    ctx.write(text)


@capability("io.read", since="0.1")
async def read(
    ctx: Context, what: Literal["line", "all", "l", "a", "*l", "*a"] = "line"
) -> str | None:
    """Reads standard input when it is a pipe or a file; a terminal is never read.

    what: "line" (also "l") for the next line, "all" (also "a") for the rest.
    returns: the text, or nothing at the end of the input.
    """
    return await ctx.services.input.read(line=what.strip("*")[0] == "l")
