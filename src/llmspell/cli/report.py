"""What a person reads: errors with the script's own line, log lines, remarks. All on stderr."""

from __future__ import annotations

import os
import re
import sys

from ..errors import CapabilityError, Frame, LlmspellError

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """Text for a terminal: control and bidirectional characters are shown, not obeyed."""
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def remark(text: str) -> None:
    """A line on stderr. A reader that has gone is no failure of the spell."""
    try:
        print(safe(text), file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def complain(error: LlmspellError, debug: bool = False) -> None:
    """Tells an error: where, what, the line itself, and how the script got there."""
    # Indented, so that no line of a script's own text looks like one of ours.
    lines = [f"error: {error}".replace("\n", "\n  ")]
    if error.source_line:
        number = str(error.line)
        lines.append(f"  {number} | {error.source_line}")
    lines += _trail(error.frames)
    if isinstance(error, CapabilityError) and error.code:
        lines.append(f"  code: {error.code}")
    remark("\n".join(lines))
    if debug:
        import traceback

        from ..host.settings import Environment

        told = "".join(traceback.format_exception(error.host_error or error))
        remark(Environment(os.environ, os.getcwd()).redact(told))


def _trail(frames: tuple[Frame, ...]) -> list[str]:
    if len(frames) < 2:
        return []
    return [f"  called from {frame.file}:{frame.line}" for frame in frames[1:]]


class Log:
    """Log lines on stderr: `warn` and `error` always, `info` unless quiet, `debug` if verbose."""

    def __init__(self, quiet: bool, verbose: bool) -> None:
        self._shown = {"warn", "error"}
        if not quiet:
            self._shown.add("info")
        if verbose:
            self._shown.add("debug")

    def write(self, level: str, message: str, fields: dict[str, object]) -> None:
        """One line: level, message, fields."""
        if level in self._shown:
            told = "".join(f" {key}={value}" for key, value in fields.items())
            remark(f"{level}: {message}{told}".replace("\n", "\\n"))
