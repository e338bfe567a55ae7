"""`llmspell security check`: what an isolated spell would be locked down with on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import UsageError


def add_to(
    commands: argparse._SubParsersAction[Any],
    formatter: type[argparse.HelpFormatter],
) -> None:
    """Declares the command."""
    this = commands.add_parser(
        "security",
        help="show which layers of isolation are active here",
        description="Runs a small isolated spell and shows which layers of isolation were active.",
        formatter_class=formatter,
    )
    this.set_defaults(command_function=run)
    add = this.add_argument
    add("action", metavar="check", help="check is all there is")
    add("--engine", metavar="E", default="lua", help="script engine to look at")
    add("--require", action="append", default=[], metavar="LAYER",
        help="end with exit code 6 unless this layer is active")  # fmt: skip
    add("--json", action="store_true", help="print the run record as JSON")
    add("--debug", action="store_true", help="show tracebacks of the host too")


def run(options: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from ..runtime.lockdown import LAYERS
    from ..runtime.session import Session
    from .run import document

    if options.action != "check":
        raise UsageError(f"security {options.action} is not known: there is security check")
    session = Session(isolation="process", engine=options.engine, require=options.require)
    result = session.run_sync("")  # a spell in every language
    if options.json:
        print(document(result.as_dict()))
        return 0
    width = max(map(len, LAYERS))
    for layer, what in LAYERS.items():
        why = result.isolation.get(layer, "not there")
        state = f"MISSING ({why})" if why else "active"
        print(f"{layer:{width}}  {state:8}  {what}")
    return 0
