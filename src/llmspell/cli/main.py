"""The command line: reads arguments, runs one command, turns errors into exit codes.

argparse rather than a larger library: it starts in a third of the time, and starting is most
of what a small spell costs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from .. import __version__
from ..errors import LlmspellError, near_miss
from . import cache, run, security


class Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal. Finding its width argparse's own way imports half a library."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 100
        super().__init__(prog, width=columns - 2)


class Parser(argparse.ArgumentParser):
    """A parser that tells what an argument it does not know may have been meant to be."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            given = unknown[0].partition("=")[0]
            meant = near_miss(given, self._option_string_actions) if given[:1] == "-" else ""
            self.error(f"{given!r} is not known here{meant}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        known = list(action.choices or ())
        if action.dest == "command" and value not in known:
            run = f"; did you mean llmspell run {value}?"
            meant = run if os.path.exists(value) else near_miss(value, known)
            self.error(f"{value!r} is no command: use one of {', '.join(known)}{meant}")
        super()._check_value(action, value)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="llmspell",
        formatter_class=Formatter,
        description="Runs spells: small scripts that drive models, agents and tools in a sandbox.",
        epilog="example: llmspell run research.lua -p topic=rust --model openai/gpt-6-luna",
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
    security.add_to(commands, Formatter)
    cache.add_to(commands, Formatter)
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
        sys.stdout.flush()
    except LlmspellError as error:
        return _failed(error, options, debug)
    except KeyboardInterrupt:
        # CPython ends by the signal and not with our code when it came in the midst of an `exec`,
        # as the import of a dataclass has one, unless another has ended well since.
        exec("")
        return _failed(Interrupted("interrupted"), options, debug)
    except BrokenPipeError:
        return _without_stdout(141)
    except OSError as error:
        if error.filename is not None or debug:
            raise
        print(f"error: cannot write output: {error.strerror}", file=sys.stderr)
        return _without_stdout(1)
    except Exception as error:
        if debug:
            raise
        text = f"{type(error).__name__}: {error}"
        from .report import remark

        remark(f"internal error: {text}; run with --debug and report it")
        return 5
    return code


class Interrupted(LlmspellError):
    """The person at the keyboard, or the system, ended the run."""

    exit_code = 130
    code = "interrupted"


def _failed(error: LlmspellError, options: argparse.Namespace, debug: bool) -> int:
    """Tells an error that came before or outside the run itself."""
    from .report import complain, remark

    if getattr(options, "json", False):
        print(run.failure_document(error), flush=True)
    elif isinstance(error, Interrupted):
        remark(error.message)
    else:
        complain(error, debug, getattr(options, "log_format", "text"))
    return error.exit_code


def _without_stdout(code: int) -> int:
    """Ends without another word: what is left in the buffer has nobody to read it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return code
