"""Asks the person at the terminal whether a spell may call a tool."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..host.tools.approvals import Approve, ToolRequest

TERMINAL = "/dev/tty"
SHOWN = 2000
"""Characters of the arguments that are shown: nobody reads more."""


def approver() -> Approve | None:
    """What asks, or None where nobody can be asked: no terminal, or errors go elsewhere."""
    if not (sys.stderr.isatty() and os.access(TERMINAL, os.R_OK)):
        return None
    return ask


async def ask(request: ToolRequest) -> bool:
    """Shows a call and waits for a line. Only y or yes agrees; cancelled, it leaves nothing."""
    import asyncio
    import json

    from .report import safe

    args = json.dumps(request.args, ensure_ascii=False, default=str)
    if len(args) > SHOWN:
        args = f"{args[:SHOWN]}... ({len(args)} characters)"
    question = f"the spell wants to run the {request.origin} tool {request.name} with {args}"
    sys.stderr.write(f"{safe(question)}\nallow it? [y/N] ")
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    terminal = os.open(TERMINAL, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)

    def take() -> None:
        if not answer.done():
            answer.set_result(os.read(terminal, 1024))

    try:
        loop.add_reader(terminal, take)
        try:
            line = await answer
        finally:
            loop.remove_reader(terminal)
    finally:
        os.close(terminal)
    return line.decode(errors="replace").strip().lower() in ("y", "yes")
