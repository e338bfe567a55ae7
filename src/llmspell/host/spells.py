"""Spells that a spell runs: where their files are, how much they may use, what became of them.

SpellOptions, SpellLimits   what a script says of a run
SpellRun                    what it gets
run(ctx, ...)               finds, runs and tells; the run itself is made by `ctx.nest`
InnerMeter                  charges what a nested run uses to the run it is in as well

A nested run has the grants of the session, and no limit above what its parent has left. A limit
that the script set for it is an error there; one of the parent ends the parent too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

from ..errors import (
    BadArgument,
    BudgetExceeded,
    CapabilityError,
    Denied,
    FileFailure,
    FileNotFound,
    HostFailure,
    LimitExceeded,
    LlmspellError,
    NotFound,
    RunLimit,
    StackLimit,
)
from ..limits import Limits, Meter, Usage
from ..values import CannotCross, refuse_references
from .files.files import Files
from .meters import PartMeter
from .usage import ResourceUsage

if TYPE_CHECKING:
    from .context import Context

MAX_DEPTH = 4
"""How deep spells run each other."""

MAX_RUNNING = 64
"""Nested spells of one run at the same time, those inside others included."""

FAMILY = 2
"""How often the memory of the outermost run its nested spells may be given together, about."""

MAX_SOURCE = 1024 * 1024
"""Bytes of a spell."""

MAX_NAME = 1024
"""Characters of a path."""


@dataclass(frozen=True, slots=True)
class SpellLimits:
    """What a spell may use. What is left out, or above what is left of the spell that runs it, is
    what is left of that.

    time: seconds of wall time.
    cpu: seconds of processor time.
    steps: loop turns and function calls.
    memory: bytes it may hold.
    output: bytes it may print.
    disk: bytes it may write to files.
    calls: host calls.
    tasks: tasks at the same time.
    tokens: model tokens, sent and received.
    cost: US dollars spent on models.
    """

    time: float | None = None
    cpu: float | None = None
    steps: int | None = None
    memory: int | None = None
    output: int | None = None
    disk: int | None = None
    calls: int | None = None
    tasks: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be kept."""
        for name, wanted in self.given().items():
            if not 0 < wanted < 2**53:
                raise ValueError(f"{name} must be above 0, got {wanted}")

    def given(self) -> dict[str, Any]:
        """What is not left out, by name."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SpellOptions:
    """How to run a spell.

    limits: what it may use; less than the spell that runs it, never more.
    """

    limits: SpellLimits = SpellLimits()


@dataclass(frozen=True, slots=True)
class SpellRun:
    """What a spell came to.

    result: what it returned.
    output: what it printed.
    usage: what it used.
    """

    result: Any
    output: str
    usage: ResourceUsage


class SpellFile(NamedTuple):
    """A spell that was found. `folder` is where its modules are, or None for nowhere."""

    source: str
    name: str
    suffix: str
    folder: str | None


class Bounds(NamedTuple):
    """What a nested run may use; `own` are the limits that the script made tighter."""

    limits: Limits
    own: frozenset[str]


class Ended(NamedTuple):
    """How a nested run ended. `above` tells whether it met a limit of the run it was in."""

    run: SpellRun
    error: LlmspellError | None
    above: bool


class Nest(Protocol):
    """What makes the nested runs of one run.

    folder: that of its program, or None.
    suffixes: how the names of spells end.
    room: bytes that spells inside the outermost run may still be given, or None without a limit.
    steps, cpu: what nested runs have used that are over.
    """

    steps: int
    cpu: float

    @property
    def folder(self) -> str | None: ...

    @property
    def suffixes(self) -> tuple[str, ...]: ...

    @property
    def room(self) -> int | None: ...

    async def run(self, file: SpellFile, params: dict[str, Any], limits: Limits) -> Ended:
        """Runs it to its end. Raises HostFailure where it cannot begin."""
        ...


class InnerMeter(PartMeter):
    """Charges a nested run, and the run it is in.

    above: whether it was the latter whose limit was reached.
    """

    def __init__(self, limits: Limits, parent: Meter, usage: Usage) -> None:
        super().__init__(limits, parent, usage)
        self.above = False

    def _up(self, charge: Any, *args: Any) -> Any:
        try:
            return charge(*args)
        except LimitExceeded:
            self.above = True
            raise

    def hold(self, size: int) -> None:
        """Counts bytes here and above, also where that is too much: all of it is given back."""
        try:
            self._up(self.parent.hold, size)
        finally:
            super().hold(size)

    def charge_call(self) -> None:
        """Counts one host call here and above."""
        self._up(self.parent.charge_call)
        super().charge_call()

    def charge_output(self, text: str) -> str:
        """Counts printed text here and above; gives the part that is within both limits."""
        own = super().charge_output(text)
        kept = self.parent.charge_output(own)
        self.above = self.above or len(kept) < len(own)
        return kept

    def charge_log(self, size: int) -> None:
        """Counts characters that are logged here and above."""
        self._up(self.parent.charge_log, size)
        super().charge_log(size)

    def charge_disk(self, size: int) -> None:
        """Counts bytes that are written here and above."""
        self._up(self.parent.charge_disk, size)
        super().charge_disk(size)

    def end(self) -> None:
        """Gives back what was held: the run is over."""
        self.parent.hold(-self.held_bytes)
        self.held_bytes = 0


async def run(ctx: Context, name: str, params: dict[str, Any], options: SpellOptions) -> SpellRun:
    """Runs a spell inside the run of `ctx`. Raises what became of it."""
    try:
        refuse_references(params, "params")
    except CannotCross as error:
        raise BadArgument(f"spell.run: {error}") from None
    nest = ctx.nest
    file = find(ctx, nest, name)
    ctx.measure()
    bounds = bounded(ctx.meter, nest, options.limits)
    ended = await nest.run(file, params, bounds.limits)
    if ended.error is not None:
        _fail(file.name, ended.error, ended.above, bounds, ctx.meter.limits)
    return ended.run


def bounded(meter: Meter, nest: Nest, wanted: SpellLimits) -> Bounds:
    """What a nested run may use: what is wanted, but no more than is left."""
    limits, used = meter.limits, meter.usage
    gone: dict[str, float] = {
        "time": used.seconds, "cpu": used.cpu + nest.cpu, "steps": used.steps + nest.steps,
        "output": used.output, "disk": used.disk, "calls": used.calls, "cost": meter.spent_cost,
        "tokens": used.input_tokens + used.output_tokens,
    }  # fmt: skip
    changed: dict[str, Any] = {}
    own = set()
    asked = wanted.given()
    for item in fields(SpellLimits):
        bound = getattr(limits, item.name)
        left = None if bound is None else bound - gone.get(item.name, 0)
        if left is not None:
            # Not 0, which is no limit that a run can begin with: it ends at its first use.
            left = max(0.001, left) if isinstance(bound, float) else max(1, int(left))
        choice = asked.get(item.name)
        if item.name == "memory" and left is not None and nest.room is not None:
            choice = _share(nest.room, left, choice)
        if choice is not None and (left is None or choice < left):
            own.add(item.name)
            left = choice
        changed[item.name] = left
    return Bounds(limits._replace(**changed), frozenset(own))


def _share(room: int, limit: int, asked: int | None) -> int:
    """Bytes for a spell: what it asks for while that is there, else half of what is there.

    So one alone has as much as the run it is in, and many at the same time never many times that.
    """
    wanted = limit if asked is None else min(asked, limit)
    if asked is not None and wanted <= room:
        return wanted
    return min(wanted, max(room // 2, limit // MAX_RUNNING))


def _fail(
    spell: str, error: LlmspellError, above: bool, bounds: Bounds, limits: Limits
) -> NoReturn:
    """Raises what the script gets of an error that ended a nested run."""
    if isinstance(error, LimitExceeded):
        name = _limit(error)
        # A stack is that of one engine, and a run of a tenant that cannot begin has used nothing.
        if (above or name not in bounds.own) and not isinstance(error, RunLimit | StackLimit):
            bound = getattr(limits, name, None)
            raise type(error)(error.limit if bound is None else _told(name, bound)) from None
        told = f"it reached the {error.quantity} limit of {error.limit} that it was given"
        error = HostFailure(told, code=error.code, frames=error.frames)
    kind = type(error) if isinstance(error, CapabilityError) else HostFailure
    text = str(error) if error.frames else f"{spell}: {error.message}"
    failure = kind(text, code=error.code, retryable=error.retryable)
    failure.details = error.details
    raise failure


def _limit(error: LimitExceeded) -> str:
    """Name of the limit that was reached."""
    if isinstance(error, BudgetExceeded):
        return "cost" if error.limit.startswith("$") else "tokens"
    return "cpu" if error.limit.endswith("processor time") else error.code


def _told(name: str, bound: float) -> str:
    """A limit as the error of the run itself tells it."""
    units = {
        "cpu": " s of processor time", "time": " s", "calls": " calls", "tokens": " tokens",
        "steps": " steps", "memory": " bytes", "output": " bytes", "disk": " bytes",
    }  # fmt: skip
    shown = f"{bound:g}" if isinstance(bound, float) else f"{bound}"
    return f"${shown}" if name == "cost" else shown + units.get(name, "")


# Files. -------------------------------------------------------------------------------------------


def find(ctx: Context, nest: Nest, name: str) -> SpellFile:
    """The spell called `name`: beside the program, as its modules are, or where a grant reaches."""
    if not name or len(name) > MAX_NAME:
        raise BadArgument(f"spell.run: path must be of 1 to {MAX_NAME} characters")
    paths = list(_candidates(name, nest.suffixes))
    denied: Denied | None = None
    if nest.folder is not None:
        beside = Files(Path(nest.folder), partial(_demand, nest.folder))
        for path in paths:
            try:
                data = beside.read(path)
            except FileNotFound:
                continue
            except Denied as error:
                denied = error
                continue
            return _file(data, path, _home(nest.folder, path))
    if ctx.policy.any("fs.read"):
        for path in paths:
            try:
                data = ctx.services.files.read(path)
            except FileNotFound:
                continue
            # The modules beside it need a grant each, which is no folder: it has none.
            return _file(data, path, None)
    hint = "" if nest.folder is not None else ": the program that runs it is of no folder"
    raise denied or NotFound(f"there is no spell {name[:200]}{hint}")


def _candidates(name: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    if os.path.splitext(name)[1] in suffixes:
        yield name
        return
    for suffix in suffixes:
        yield name + suffix
        yield f"{name}/main{suffix}"


def _demand(folder: str, kind: str, path: str) -> None:
    if kind != "fs.read" or not path.startswith(folder.rstrip(os.sep) + os.sep):
        raise Denied(
            "spells are read from the folder of the spell that runs them, or where a grant for "
            "fs.read reaches"
        )


def _home(folder: str, path: str) -> str | None:
    """The folder of a spell beside the program; None where it was moved away just now."""
    home = os.path.dirname(os.path.realpath(os.path.join(folder, path)))
    inside = home == folder or home.startswith(folder.rstrip(os.sep) + os.sep)
    return home if inside else None


def _file(data: bytes, path: str, folder: str | None) -> SpellFile:
    if len(data) > MAX_SOURCE:
        raise FileFailure(f"{path} is larger than {MAX_SOURCE} bytes", code="too_large")
    try:
        return SpellFile(data.decode(), path, os.path.splitext(path)[1], folder)
    except UnicodeDecodeError:
        raise FileFailure(f"{path} is not UTF-8 text") from None
