"""The command line: reads arguments, runs one command, turns errors into exit codes.

argparse rather than a larger library: it starts in a third of the time, and starting is most
of what a small spell costs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import LlmspellError
from . import run


class Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal. Finding its width argparse's own way imports half a library."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 100
        super().__init__(prog, width=columns - 2)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="llmspell",
        formatter_class=Formatter,
        description="Runs spells: small scripts that drive models, agents and tools in a sandbox.",
        epilog="example: llmspell run research.lua -p topic=rust --model openai/gpt-5-mini",
    )
    top.add_argument("--version", action="version", version=f"llmspell {__version__}")
    commands = top.add_subparsers(
        # The prog it would work out itself costs an import of the terminal's size.
        prog="llmspell",
        dest="command",
        metavar="COMMAND",
        required=True,
    )
    run.add_to(commands, Formatter)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and gives its exit code."""
    try:
        options = parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    debug = getattr(options, "debug", False)
    try:
        code: int = options.command_function(options)
    except LlmspellError as error:
        from .report import complain

        complain(error, debug)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone: nothing more to say, and no traceback about it.
        sys.stdout = None
        return 141
    except Exception as error:
        if debug:
            raise
        text = f"{type(error).__name__}: {error}"
        print(f"internal error: {text}; run with --debug and report it", file=sys.stderr)
        return 5
    return code
