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
    """Reads standard input when it is a pipe or a file; a terminal is never read:
    `io.ask` asks whoever sits there.

    what: "line" (also "l") for the next line, "all" (also "a") for the rest.
    returns: the text, or nothing at the end of the input.
    """
    return await ctx.services.input.read(line=what.strip("*")[0] == "l")


@capability("io.ask", since="0.1")
async def ask(ctx: Context) -> str | None:
    """Waits for a line of the person at the terminal, or for the next line of standard input where
    that is a pipe or a file. The question is printed before, with `io.write`.

    returns: the line, or nothing at the end of the input, or where nobody can be asked: a terminal
        is never read for a spell of level untrusted.
    """
    source = ctx.services.input
    return await (source.read(line=True) if ctx.policy.level == "untrusted" else source.ask())
