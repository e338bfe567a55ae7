"""What a person reads: errors with the script's own line, log lines, remarks. All on stderr.

For programs the same is written as JSON, an object a line: {time, level, message, fields, run_id}
and, where it is about an error, its record as `error`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import CapabilityError, LlmspellError, ScriptRuntimeError

if TYPE_CHECKING:
    from ..runtime.gate import CallRecord

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


def complain(
    error: LlmspellError, debug: bool = False, form: str = "text", run_id: str = ""
) -> None:
    """Tells an error: where, what, the line itself, how the script got there, and what caused it.

    debug: adds the traceback of the host.
    form: "text" or "json".
    """
    trace = _host_trace(error) if debug else ""
    if form == "json":
        fields = {"traceback": trace} if trace else {}
        remark(json_line("error", str(error), fields | {"error": error.as_dict()}, run_id))
        return
    lines = [f"error: {error}"]
    if error.source_line:
        number = str(error.line)
        lines.append(f"  {number} | {error.source_line}")
    trail = error.trail()
    for level, frame in enumerate(trail):
        if level > 1 and frame == trail[level - 1]:
            continue  # endless recursion has the same frame over and over
        if level:
            often = ", again and again" if frame in trail[level + 1 : level + 2] else ""
            lines.append(f"  called from {frame['file']}:{frame['line']}{often}")
        for kind, mark in (("locals", ""), ("upvalues", "upvalue ")):
            lines += [f"    {mark}{name} = {held}" for name, held in frame.get(kind, {}).items()]
    told = isinstance(error, CapabilityError) or (
        isinstance(error, ScriptRuntimeError) and error.code != ScriptRuntimeError.code
    )
    if told and error.code:
        lines.append(f"  code: {error.code}")
    if "attempts" in error.details:
        lines.append(f"  attempts: {error.details['attempts']}")
    lines += _causes(error.details.get("cause"))
    remark("\n".join(map(_indented, lines)))
    if trace:
        remark(trace)


def _indented(text: str) -> str:
    """Text of a script, of which no line may look like one of ours."""
    return text.replace("\n", "\n  ")


def _causes(cause: dict[str, Any] | None) -> list[str]:
    lines = []
    while cause is not None:
        where = f"{cause['file']}:{cause['line']}: " if "line" in cause else ""
        said, kind = cause["message"], cause["type"]
        if cause["code"] != ScriptRuntimeError.code:
            said = f"{said} ({cause['code']})"
        elif kind != ScriptRuntimeError.__name__:
            said = f"{kind}: {said}"  # one of the script's language
        lines.append(f"  caused by: {where}{said}")
        cause = cause.get("cause")
    return lines


def _host_trace(error: LlmspellError) -> str:
    """Where in the host an error arose."""
    from traceback import TracebackException

    from ..host.settings import Environment

    failed = error.host_error or error
    trace = getattr(failed, "host_trace", None) or TracebackException.from_exception(failed)
    return Environment(os.environ, ".").redact("".join(trace.format()))


def json_line(level: str, message: str, fields: dict[str, Any], run_id: str) -> str:
    """One line of the log as a JSON object; the field "error" gets a place of its own."""
    import json
    from time import gmtime, strftime, time

    from ..records import plain

    now = time()
    told = {
        "time": f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(now))}.{int(now % 1 * 1000):03d}Z",
        "level": level,
        "message": message,
        "fields": {key: value for key, value in fields.items() if key != "error"},
        "run_id": run_id or None,
    }
    if "error" in fields:
        told["error"] = fields["error"]
    return json.dumps(plain(told), ensure_ascii=False)


class Log:
    """Log lines on stderr: `warn` and `error` always, `info` unless quiet, `debug` if verbose.

    form: "text" or "json".
    """

    def __init__(self, quiet: bool, verbose: bool, form: str = "text") -> None:
        self._form = form
        self._quiet = quiet
        self.run_id: Callable[[], str] = str
        self._shown = {"warn", "error"}
        if not quiet:
            self._shown.add("info")
        if verbose:
            self._shown.add("debug")

    def write(self, level: str, message: str, fields: dict[str, object]) -> None:
        """One line: level, message, fields."""
        if level not in self._shown:
            return
        if self._form == "json":
            remark(json_line(level, message, fields, self.run_id()))
            return
        told = "".join(f" {key}={_field(value)}" for key, value in fields.items())
        remark(f"{level}: {message}{told}".replace("\n", "\\n"))

    def note(self, text: str) -> None:
        """A remark of the program itself, unless it is to be quiet."""
        if self._quiet:
            return
        remark(json_line("info", text, {}, "") if self._form == "json" else f"note: {text}")

    def call(self, record: CallRecord) -> None:
        """One line for an answered call."""
        if self._form == "json":
            fields = {"seconds": record.seconds, "failed": record.error or None}
            remark(json_line("debug", f"call: {record.name}", fields, record.run_id))
            return
        ending = f" failed: {record.error}" if record.error else ""
        remark(f"call: {record.name} {record.seconds * 1000:.1f} ms{ending}")


def _field(value: object) -> str:
    """A field as text: lists and maps as JSON, functions and handles as what they are called."""
    if value is None or isinstance(value, str | int | float):
        return str(value)
    import json

    from ..records import plain

    told = plain(value)
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
