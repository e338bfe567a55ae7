"""Attack files: a program, and in comments at its head what it tries and what becomes of it.

    -- attack: reads a file by a name that climbs out of the root     (required)
    -- expect: error denied | limit time                              (required)
    -- limits: time=0.2, memory=8MB
    -- allow: fs.read:{root}/**, net:{server}
    -- engines: lua54
    -- sandbox: strict, require
    -- only: isolated, because one call of string.find runs for hours

Outcomes, several joined by " | ":

    ok JSON               it ends well, with this value
    error [CODE] [: TEXT] it ends with an error of the script or of a capability
    limit NAME            a limit ends it; "limit depth" is an error about values nested too deep
    refused               it is refused before a line of it has run

Whatever the outcome, the attack has succeeded when MARK or a planted secret is in what it leaves
behind: its output, its result, the log, the error. Each file prints MARK where the attack has what
it wanted. `{root}`, `{outside}` and `{server}` stand for what `places` makes. In JavaScript
and Tengo the lines of the head start with "//".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from places import SECRET

from llmspell.errors import (
    LIMIT_ERRORS,
    CapabilityError,
    LimitExceeded,
    LlmspellError,
    ScriptRuntimeError,
    ScriptSyntaxError,
    TimeLimit,
)
from llmspell.runtime.result import Result

MARK = "ESCAPED"
MARKS = (MARK, SECRET)
ENGINES = {".lua": ("lua54", "lua55"), ".js": ("javascript",), ".tengo": ("tengo",)}
"""End of a file's name -> the engines an attack is for that names none."""

REMARKS = {".lua": "--", ".js": "//", ".tengo": "//"}
LIMITS = {"time": "1", "memory": "64MB"}
"""Limits of an attack that names none, on top of those of level untrusted."""

ENDINGS: dict[str, type[LimitExceeded]] = {**LIMIT_ERRORS, "cpu": TimeLimit}
"""Name of a limit -> the error that ends a run at it."""

KEYS = {"attack", "expect", "limits", "allow", "engines", "only", "sandbox"}


class AttackError(ValueError):
    """An attack file is wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which an attack may end."""

    kind: str
    value: Any = None
    code: str = ""
    text: str = ""

    def fits(self, result: Result) -> bool:
        """Whether a run ended in this way."""
        error = result.error
        if self.kind == "ok":
            return error is None and result.value == self.value
        if self.kind == "limit":
            return type(error) is ENDINGS[self.code]
        if self.kind == "refused":
            return type(error) is ScriptSyntaxError
        return (
            isinstance(error, ScriptRuntimeError | CapabilityError)
            and self.code in ("", error.code)
            and self.text in error.message
        )


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack file. `alone` says why only an isolated run can hold it, or is ""."""

    name: str
    suffix: str
    source: str
    attack: str
    expect: tuple[Outcome, ...]
    limits: Mapping[str, str]
    allow: tuple[str, ...]
    engines: tuple[str, ...]
    alone: str
    sandbox: tuple[str, ...]

    def complaints(self, result: Result, log: list[Any]) -> list[str]:
        """What is wrong with how a run of it ended; nothing when the attack was held."""
        error = result.error
        ended = f"ok {result.value!r:.200}" if error is None else f"{describe(error)}"
        wrong = [] if any(o.fits(result) for o in self.expect) else [f"it ended with {ended}"]
        raised = "" if error is None else (error.message, getattr(error, "value", None))
        left = {"output": result.output, "result": result.value, "log": log, "error": raised}
        for where, what in left.items():
            wrong += [
                f"{mark} is in its {where}: {what!r:.300}" for mark in MARKS if mark in str(what)
            ]
        return wrong


def describe(error: LlmspellError) -> str:
    """An error in one line."""
    return f"{type(error).__name__} ({error.code}): {error!s:.300}"


def read_attacks(folder: Path) -> Iterator[Attack]:
    """Every attack of a folder, by name."""
    paths = (path for path in sorted(folder.iterdir()) if path.suffix in ENGINES)
    return (read_attack(path) for path in paths)


def read_attack(path: Path) -> Attack:
    """Reads one file. Raises AttackError for a wrong head, or one that nothing could fail."""
    source = path.read_bytes().decode()  # no line end is changed: some attacks are in them
    said: dict[str, str] = {}
    remark, known = REMARKS[path.suffix], ENGINES[path.suffix]
    for line in source.split("\n"):
        if not line.startswith(remark):
            break
        match = re.fullmatch(rf"{remark} ([a-z]+): (.*\S)", line)
        if match is None or match[1] not in KEYS or match[1] in said:
            raise AttackError(f"{path.name}: cannot read the line {line!r}")
        said[match[1]] = match[2]
    if not {"attack", "expect"} <= said.keys():
        raise AttackError(f"{path.name}: says not both what it tries and what is expected")
    expect = tuple(_outcome(path.name, text) for text in said["expect"].split(" | "))
    if MARK not in source:
        raise AttackError(f"{path.name}: never says {MARK}, so it cannot be seen to succeed")
    engines = tuple(_list(said.get("engines", ""))) or known
    if not set(engines) <= set(known):
        raise AttackError(f"{path.name}: engines are {', '.join(known)}")
    alone = said.get("only", "")
    if alone and not re.fullmatch(r"isolated, because .+", alone):
        raise AttackError(f"{path.name}: only: isolated, because ...")
    return Attack(
        name=path.stem,
        suffix=path.suffix,
        source=source,
        attack=said["attack"],
        expect=expect,
        limits={**LIMITS, **_pairs(path.name, said.get("limits", ""))},
        allow=tuple(_list(said.get("allow", ""))),
        engines=engines,
        alone=alone.partition("because ")[2],
        sandbox=tuple(_list(said.get("sandbox", ""))),
    )


def _outcome(name: str, text: str) -> Outcome:
    kind, _, rest = text.strip().partition(" ")
    if kind == "ok":
        try:
            return Outcome(kind, json.loads(rest))
        except ValueError:
            raise AttackError(f"{name}: {rest!r} is not JSON") from None
    if kind == "limit" and rest in ENDINGS:
        return Outcome(kind, code=rest)
    if (kind, rest) == ("limit", "depth"):
        return Outcome("error", text="nested too deep")
    if kind == "refused" and not rest:
        return Outcome(kind)
    match = re.fullmatch(r"error(?: ([a-z_]+))?(?: ?: (.+))?", text.strip())
    if match is not None:
        return Outcome("error", code=match[1] or "", text=match[2] or "")
    raise AttackError(f"{name}: {text!r} is no outcome")


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _pairs(name: str, text: str) -> dict[str, str]:
    pairs = dict(item.partition("=")[::2] for item in _list(text))
    if not all(pairs.values()):
        raise AttackError(f"{name}: limits are written like time=1, memory=64MB")
    return pairs
