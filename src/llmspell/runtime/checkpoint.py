"""A checkpoint: a program, what it was started with, and every answer it has had, in order.

    checkpoint = running.checkpoint()
    checkpoint.save("research.checkpoint")
    running = session.restore(Checkpoint.load("research.checkpoint"))

It is plain data, JSON lines: a head, then a line for each thing that came into the isolate. Lines
of answered calls are those of a recording, so `--replay` reads a checkpoint too. Nobody need trust
one: restoring it runs its program under the policy and limits of the session that restores it, and
an answer in it is nothing but an answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from math import inf
from typing import IO, Any, NamedTuple

from .. import __version__
from ..engines.base import Engine
from ..errors import CapabilityError, RestoreError, UsageError
from ..policy import ISOLATIONS
from ..spells.program import Program
from ..values import decode
from .frames import ProtocolError, tell_error
from .gate import HANDLER
from .journal import answer_error, spare, value_text

FORMAT = 1

MAX_BYTES = 64 * 1024 * 1024
"""Characters a checkpoint may have: what a script is answered is in it."""

TEXTS = ("engine", "version", "llmspell", "name", "suffix", "source", "params")


class Answered(NamedTuple):
    """A call of the script had its answer. `number` is that of the call."""

    number: int
    name: str
    args: str
    answer: bytes | CapabilityError


class Called(NamedTuple):
    """A function of the script was called, for its call number `of`, or for none."""

    entry: int
    function: int | str
    args: bytes
    of: int


class Abandoned(NamedTuple):
    """Nobody waited for a function any more. It may not even have begun."""

    entry: int
    begun: bool


class Inner(NamedTuple):
    """A call that the call number `of` of the script made for it, from a place, had its answer."""

    of: int
    place: str
    name: str
    args: str
    answer: bytes | CapabilityError


Event = Answered | Called | Abandoned | Inner


class Checkpoint:
    """A run at one moment, as plain data. `lines` are JSON texts, the first is the head."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        self.head = _head(self.lines)
        self.events: list[Event] = []
        self.used: dict[str, float] = {}
        for number, line in enumerate(self.lines[1:], 2):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, ProtocolError, RecursionError):
                raise RestoreError(f"line {number} is not of a checkpoint") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Reads a file. What was being written when its writer was killed is left out.

        Raises UsageError for one that cannot be read, RestoreError for one that is no checkpoint.
        """
        try:
            with open(path, encoding="utf-8", newline="\n") as file:
                text = file.read(4 * MAX_BYTES)
        except OSError as error:
            raise UsageError(f"cannot read the checkpoint {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise RestoreError("it is not UTF-8 text") from None
        return cls(text.split("\n")[:-1])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file that only its owner can read. Raises UsageError."""
        written(path, self.lines).close()

    @property
    def program(self) -> Program:
        """The program, without a folder: its modules are among the answers."""
        head = self.head
        isolation = head.get("isolation")
        return Program(head["source"], head["name"], head["suffix"], isolation=isolation)

    @property
    def params(self) -> dict[str, Any]:
        """What the program was started with."""
        value = decode(self.head["params"].encode())
        assert isinstance(value, dict)
        return value

    def check(self, engine: Engine, program: Program, features: Iterable[str]) -> None:
        """Raises RestoreError with the first thing that is not as it was."""
        head = self.head
        now = {"llmspell": __version__, "engine": engine.name, "version": engine.version}
        for what, value in now.items():
            if head[what] != value:
                what = "engine" if what == "version" else what
                raise RestoreError(f"it was made with the {what} {head_text(head, what)}, "
                                   f"this is {value}")  # fmt: skip
        if program.source != head["source"]:
            raise RestoreError(_first_difference(program.name, head["source"], program.source))
        if list(features) != head["features"]:
            was = ", ".join(head["features"]) or "full"
            raise RestoreError(f"its features were {was}, here they are not")

    def _take(self, line: dict[str, Any]) -> None:
        for name, value in line.get("used", {}).items():
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value < inf
            ):
                raise ValueError
            self.used[str(name)] = value
        if line.get("hidden"):
            raise RestoreError(f"the answer of {line['call']} held a secret, which is not kept")
        if "lost" in line:
            raise RestoreError(str(line["lost"]))
        if "abandoned" in line:
            abandoned = Abandoned(_number(line["abandoned"]), line["begun"] is True)
            self.events.append(abandoned)
        elif "function" in line:
            function, given = line["function"], _value(line["args"])
            if not given.startswith(b"["):
                raise ValueError
            function = function if function == HANDLER else _number(function)
            called = Called(_number(line["entry"]), function, given, _number(line["of"]))
            self.events.append(called)
        else:
            name, args, answer = _text(line["call"]), _text(line["args"]), _answer(line)
            if "of" in line:
                of, place = _number(line["of"]), _text(line["place"])
                self.events.append(Inner(of, place, name, args, answer))
            else:
                self.events.append(Answered(_number(line["id"]), name, args, answer))


def head_line(
    engine: Engine, program: Program, params: str, seed: int, limits: Any, features: Iterable[str]
) -> dict[str, Any]:
    """The head of a checkpoint."""
    return {
        "checkpoint": FORMAT,
        "llmspell": __version__,
        "engine": engine.name,
        "version": engine.version,
        "name": program.name,
        "suffix": program.suffix,
        "isolation": program.isolation,
        "source": program.source,
        "params": params,
        "seed": seed,
        "limits": limits._asdict(),
        "features": list(features),
    }


def event_line(event: Event) -> dict[str, Any]:
    """One event as plain data."""
    if isinstance(event, Abandoned):
        return {"abandoned": event.entry, "begun": event.begun}
    if isinstance(event, Called):
        return {
            "function": event.function,
            "args": event.args.decode(),
            "entry": event.entry,
            "of": event.of,
        }
    line: dict[str, Any] = {"call": event.name, "args": event.args}
    if isinstance(event, Answered):
        line["id"] = event.number
    else:
        line |= {"of": event.of, "place": event.place}
    if isinstance(event.answer, bytes):
        return line | {"value": event.answer.decode()}
    told = tell_error(event.answer)
    return line | {"error": {"retryable": False} | told}


def told(event: Event) -> str:
    """What the script has come to with an event, as an error says it."""
    if isinstance(event, Answered):
        return f"call {event.number}, {event.name}, which has an answer"
    if isinstance(event, Inner):
        return f"{event.name} for call {event.of}, which has an answer"
    return "where a function of it was called"


def head_text(head: dict[str, Any], what: str) -> str:
    """How the head names an engine, or the version of llmspell."""
    return f"{head[what]} ({head['version']})" if what == "engine" else str(head[what])


def written(path: str | os.PathLike[str], lines: Iterable[str]) -> IO[str]:
    """Writes a file that only its owner can read, whole or not at all, and leaves it open.

    Raises UsageError.
    """
    spare(path, "checkpoint")
    path = os.fspath(path)
    aside = f"{path}.{os.urandom(8).hex()}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(aside, flags, 0o600)
        file = open(descriptor, "w", encoding="utf-8", newline="\n")  # noqa: SIM115
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.replace(aside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(aside)
        raise UsageError(f"cannot write the checkpoint {path}: {error.strerror}") from None
    return file


def _head(lines: list[str]) -> dict[str, Any]:
    try:
        head = json.loads(lines[0])
        fits = (
            isinstance(head, dict)
            and head["checkpoint"] == FORMAT
            and all(isinstance(head[key], str) for key in TEXTS)
            and type(head["seed"]) is int
            and 0 <= head["seed"] < 2**31
            and isinstance(head["features"], list)
            and all(isinstance(name, str) for name in head["features"])
            and head.get("isolation") in (None, *ISOLATIONS)
            and isinstance(decode(_value(head["params"])), dict)
        )
    except (IndexError, ValueError, KeyError, TypeError, ProtocolError, RecursionError):
        fits = False
    if not fits:
        raise RestoreError("it does not begin as a checkpoint does")
    if head.get("hidden"):
        raise RestoreError("its program or parameters held a secret, which is not kept")
    found: dict[str, Any] = head
    return found


def _answer(line: dict[str, Any]) -> bytes | CapabilityError:
    if "error" not in line:
        return _value(line["value"])
    return answer_error(line["error"])


def _value(text: Any) -> bytes:
    return value_text(_text(text))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError
    return value


def _first_difference(name: str, was: str, now: str) -> str:
    lines = zip(was.split("\n"), now.split("\n"), strict=False)
    for number, (before, after) in enumerate(lines, 1):
        if before != after:
            return f"the program has changed: line {number} of {name} was {before.strip()[:80]!r}"
    shorter = min(was.count("\n"), now.count("\n")) + 1
    return f"the program has changed: {name} differs after line {shorter}"
