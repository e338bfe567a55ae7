"""An error as plain data: what a script catches, what a log line holds, what `--json` nests.

    {type, code, message, file, line, frames, capability, retryable, cause, context, attempts}

    tell(error)            the record of an error
    read(raised, sources)  the record of whatever a script raised or caught
    adopt(error, raised)   gives an error what the script said of it

What is not known is left out. All of it is bounded, because scripts write it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Mapping
from itertools import islice
from typing import Any

from .errors import (
    CapabilityError,
    Frame,
    LlmspellError,
    ScriptFailure,
    ScriptRuntimeError,
    Variables,
)
from .values import BYTES_TAG, FUNCTION_TAG, HANDLE_TAG, MAX_DEPTH, kind_of

MAX_CAUSES = 16
"""Links of a chain, the error itself included. A longer one keeps its beginning and its root."""

MAX_FRAMES = 20
"""Levels of a call stack that are told."""

LONGEST_TEXT = 4000
"""Characters of a message."""

LONGEST_NAME = 100
"""Characters of a type, a code, the name of a file or a function."""

LONGEST_VALUE = 100
"""Characters of a variable's value that are shown."""

LONGEST_FOUND = 600
"""Characters of it that are kept until secrets are out: half a secret is a secret too."""

MAX_NAMES = 20
"""Locals, and upvalues, of one frame."""

MAX_CONTEXT = 16 * 1024
"""Characters of a context, written as JSON."""

OWN = frozenset({"type", "code", "message", "file", "line", "frames", "capability", "retryable",
                 "cause", "context", "attempts", "exit_code", "source_line"})  # fmt: skip
"""Keys of a record; the last two are of the record of a run. Any other belongs to the context."""

POSITION = re.compile(r"([^\n]{1,200}?):([0-9]{1,9}): ")
"""What the text of an error may begin with, when it has no other way to say where it happened."""

Record = dict[str, Any]


def tell(error: LlmspellError) -> Record:
    """The record of an error."""
    # What a script raised is the same thing before and after a capability has passed it on.
    passed_on = isinstance(error, ScriptFailure)
    told: Record = {
        "type": "ScriptRuntimeError" if passed_on else type(error).__name__,
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
    }
    if isinstance(error, CapabilityError) and error.capability and not passed_on:
        told["capability"] = error.capability
    if error.frames:
        told |= {"file": error.file, "line": error.line, "frames": error.trail()}
    return told | error.details


def read(raised: Any, sources: Container[str] = ()) -> Record:
    """The record of anything a script raised or caught.

    sources: names of sources; a text that begins with one and a line tells where it happened.
    """
    links: list[Record] = []
    while len(links) < 10 * MAX_CAUSES:
        links.append(_link(raised, sources))
        raised = raised.get("cause") if isinstance(raised, dict) else None
        if raised is None:
            break
    return _joined(links)


def details(record: Record) -> Record:
    """What a record says that has no other place in an error."""
    return {key: record[key] for key in ("cause", "context", "attempts") if key in record}


def own_code(code: str) -> str:
    """The code a script gave its error, unless it stands for what no script can say."""
    reserved = {cls.code for cls in _below(LlmspellError) if not issubclass(cls, CapabilityError)}
    return ScriptRuntimeError.code if code in reserved else code[:LONGEST_NAME]


def _below(cls: type[LlmspellError]) -> set[type[LlmspellError]]:
    return {cls}.union(*map(_below, cls.__subclasses__()))


def chain(record: Record) -> list[Record]:
    """A record and what caused it, the root last; each without its own cause."""
    links: list[Record] = []
    link: Record | None = record
    while link is not None:
        links.append({key: value for key, value in link.items() if key != "cause"})
        link = link.get("cause")
    return links


def caused(record: Record, cause: Record) -> Record:
    """The record with a cause behind all it has."""
    return _joined(chain(record) + chain(cause))


def adopt(error: LlmspellError, raised: Record, sources: Container[str]) -> None:
    """Gives an error what the script said of it: cause, context, attempts, where it began.

    An error of the script gets its code and whether to try again from there too. Only frames in
    `sources` are taken: a script may write any name.
    """
    record = read(raised)
    error.details = details(record)
    if not isinstance(error, CapabilityError):
        error.code, error.retryable = own_code(record["code"]), record["retryable"]
    trail = [step for step in record.get("frames", ()) if step["file"] in sources]
    frames = tuple(Frame(step["file"], step["line"], step["function"]) for step in trail)
    shown = [Variables(step.get("locals", {}), step.get("upvalues", {})) for step in trail]
    if any(map(any, shown)) or error.variables:
        error.variables = (*shown, *error.variables)[:MAX_FRAMES]
    error.frames = (frames + error.frames)[:MAX_FRAMES]


def locate(error: LlmspellError, sources: Mapping[str, str], hide: Callable[[Any], Any]) -> None:
    """Adds the source line an error names. What a script raised may hold what it read, so all of
    it goes through `hide`, which takes secrets out, before it is cut."""
    error.message = hide(error.message)
    error.args = (error.message,)
    error.code = hide(error.code)
    if isinstance(error, CapabilityError):
        error.capability = hide(error.capability)
    if isinstance(error, ScriptRuntimeError):
        error.value = hide(error.value)
    error.details = hide(error.details)
    held = [[hide(part) for part in shown] for shown in error.variables]
    error.variables = tuple(read_variables(shown, LONGEST_VALUE) for shown in held)
    source = sources.get(error.file, "")
    if 0 < error.line <= source.count("\n") + 1:
        error.source_line = hide(source.split("\n")[error.line - 1].rstrip())


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON knows it: bytes as text, functions and handles as what they are called."""
    if depth > MAX_DEPTH:
        return "..."
    if isinstance(value, dict):
        if len(value) == 1:
            ((key, content),) = value.items()
            if key == BYTES_TAG:
                return bytes.fromhex(content).decode(errors="replace")
            if key == FUNCTION_TAG:
                return "function"
            if key == HANDLE_TAG:
                return str(content[0])
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    known = value is None or isinstance(value, str | int | float)
    return value if known else kind_of(value)


def read_variables(told: Any, longest: int = LONGEST_FOUND) -> Variables:
    """Locals and upvalues, two maps of names to text; anything else is left out."""
    locals, upvalues = (
        {
            str(name)[:LONGEST_NAME]: _clipped(text, longest)
            for name, text in islice((part if isinstance(part, dict) else {}).items(), MAX_NAMES)
            if isinstance(text, str)
        }
        for part in told
    )
    return Variables(locals, upvalues)


def _joined(links: list[Record]) -> Record:
    if len(links) > MAX_CAUSES:
        links = [*links[: MAX_CAUSES - 1], links[-1]]
    record = _brief(links[-1]) if len(links) > 1 else links[-1]
    for link in reversed(links[1:-1]):
        record = _brief(link) | {"cause": record}
    return links[0] | {"cause": record} if len(links) > 1 else record


def _brief(cause: Record) -> Record:
    """A cause without what its variables held: a chain of them would be large."""
    if "frames" not in cause:
        return cause
    frames = [{key: step[key] for key in Frame._fields} for step in cause["frames"]]
    return cause | {"frames": frames}


def _link(raised: Any, sources: Container[str]) -> Record:
    """The record of one error, without its cause."""
    told: Record = {
        "type": "ScriptRuntimeError", "code": "runtime", "message": "", "retryable": False
    }  # fmt: skip
    # A link may hold most of what can cross, and a chain of them be long: no more is looked at
    # than what can be told.
    if isinstance(raised, list):
        return told | {"message": f"the script raised {kind_of(raised)}"}
    raised = plain(_own_parts(raised))
    if isinstance(raised, dict):
        return told | _own(raised)
    if isinstance(raised, bool) or not isinstance(raised, str | int | float):
        return told | {"message": f"the script raised {kind_of(raised)}"}
    text = str(raised)
    found = POSITION.match(text)
    if found is not None and found[1] in sources:
        told |= {"file": found[1], "line": int(found[2])}
        text = text[found.end() :]
    return told | {"message": _clipped(text, LONGEST_TEXT)}


def _own_parts(raised: Any) -> Any:
    """What was raised without its cause, each part with so much of it that too much still shows."""
    if not isinstance(raised, dict):
        return raised
    kept, left = {}, [MAX_CONTEXT]
    for key, item in raised.items():
        if key in OWN:
            kept[key] = None if key == "cause" else _cut(item, [MAX_CONTEXT])
        elif left[0] >= 0:
            kept[key] = _cut(item, left)
    return kept


def _cut(value: Any, left: list[int]) -> Any:
    """A value without what comes after as many parts of it as are left."""
    left[0] -= 1
    if isinstance(value, list):
        return [_cut(item, left) for item in islice(value, left[0] + 1)]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        if left[0] < 0:
            break
        kept[key] = _cut(item, left)
    return kept


def _own(raised: Mapping[str, Any]) -> Record:
    message = raised.get("message")
    said = isinstance(message, str | int | float) and not isinstance(message, bool)
    told: Record = {
        "message": _clipped(str(message), LONGEST_TEXT) if said else "the script raised table"
    }
    for key in ("type", "code", "capability", "file"):
        value = raised.get(key)
        if (isinstance(value, str) and value) or type(value) is int:
            told[key] = _clipped(str(value), LONGEST_NAME)
    if type(line := raised.get("line")) is int and line > 0 and "file" in told:
        told["line"] = line
    else:
        told.pop("file", None)
    frames = raised.get("frames")
    if isinstance(frames, list) and (trail := _trail(frames[:MAX_FRAMES])):
        told |= {"file": trail[0]["file"], "line": trail[0]["line"], "frames": trail}
    if raised.get("retryable") is True:
        told["retryable"] = True
    if type(attempts := raised.get("attempts")) is int and attempts > 0:
        told["attempts"] = attempts
    own = raised.get("context")
    context = {key: value for key, value in raised.items() if key not in OWN}
    context |= own if isinstance(own, dict) else {}
    if context and len(json.dumps(context, ensure_ascii=False)) > MAX_CONTEXT:
        context = {"left_out": f"the context is longer than {MAX_CONTEXT} characters"}
    if context:
        told["context"] = context
    return told


def _trail(frames: list[Any]) -> list[Record]:
    """Levels of a call stack; what is none is left out."""
    trail = []
    for step in frames:
        if not isinstance(step, dict):
            continue
        file, line, function = step.get("file"), step.get("line"), step.get("function", "")
        if not (isinstance(file, str) and type(line) is int and isinstance(function, str)):
            continue
        told: Record = {"file": file[:LONGEST_NAME], "line": line,
                        "function": function[:LONGEST_NAME]}  # fmt: skip
        shown = read_variables((step.get("locals"), step.get("upvalues")))
        trail.append(told | {key: part for key, part in shown._asdict().items() if part})
    return trail


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
