"""How much? The limits of a run, what it has used, and budgets that cannot be overshot.

    Limits     upper bounds of one run; LEVEL_LIMITS and PROFILES are named sets of them
    Usage      what a run has used
    Meter      charges a run, and notices what has come near its limit
    Tenant     quotas that the runs of several sessions share

Limits are hard: reaching one ends the run and no script can catch it. Tokens and dollars are
reserved before a call and settled after it, so that calls in flight at once stay within budget.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import ceil, inf
from typing import Any, NamedTuple

from .errors import (
    BudgetExceeded,
    CallLimit,
    DiskLimit,
    MemoryLimit,
    OutputLimit,
    RunLimit,
    UsageError,
    near_miss,
)

UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1000, "kib": 1024, "m": 10**6, "mb": 10**6, "mib": 2**20,
         "g": 10**9, "gb": 10**9, "gib": 2**30}  # fmt: skip
MAX_LEVELS = 200
"""Most that `depth` may be: what reads and writes values calls itself for each level."""

SPANS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Limits(NamedTuple):
    """Upper bounds of one run; None means no bound.

    time: seconds of wall time, waiting included.
    cpu: seconds of processor time inside the script engine.
    steps: loop turns and function calls of the script.
    memory: bytes the script engine may hold.
    output: bytes the script may print, and as many that it may log.
    disk: bytes the script may write to files; a file or folder it makes counts as 4096 at least.
    calls: host calls.
    tasks: tasks of the script alive at the same time.
    depth: nesting depth of values that cross, 200 at most; into a process of its own 32.
    tokens: model tokens, sent and received.
    cost: US dollars spent on models; a model of unknown price is refused.
    warn: the share of a limit from which on the script is warned; None for never. That share of
        `memory` is the soft limit, at which garbage is collected first.
    """

    time: float | None = 300.0
    cpu: float | None = None
    steps: int | None = None
    memory: int | None = 256 * 10**6
    output: int | None = 16 * 2**20
    disk: int | None = 10**9
    calls: int | None = 100_000
    tasks: int | None = 1000
    depth: int = 32
    tokens: int | None = None
    cost: float | None = None
    warn: float | None = 0.9

    def updated(self, given: Mapping[str, Any] | str) -> Limits:
        """These limits with some replaced: {"time": "30s", "memory": "64MB", "steps": None}.

        "strict", or {"profile": "strict", "time": 60}, starts from a profile.
        """
        if not given:
            return self
        changed: dict[str, Any] = {}
        for name, value in expanded(given).items():
            if name not in self._fields:
                known = sorted((*self._fields, "profile"))
                meant = near_miss(str(name), known)
                raise UsageError(f"{name!r} is not a limit: use one of {', '.join(known)}{meant}")
            changed[name] = read_limit(name, value)
        return self._replace(**changed)


LEVEL_LIMITS: dict[str, Limits] = {
    "untrusted": Limits(
        time=30.0, memory=64 * 10**6, output=64 * 1024, disk=32 * 10**6, calls=2000, tasks=100
    ),
    "trusted": Limits(),
    "privileged": Limits(time=None, memory=10**9, calls=None, tasks=None, output=None, disk=None),
}
"""The limits of each level."""

PROFILES: dict[str, dict[str, Any]] = {
    "strict": {"steps": 10**6, "time": 5.0, "memory": 10 * 10**6, "warn": 0.8},
    "normal": {"steps": 10**7, "time": 30.0, "memory": 50 * 10**6, "warn": 0.9},
    "relaxed": {"steps": 10**8, "time": 300.0, "memory": 200 * 10**6, "warn": 0.95},
}
"""Limits by the kind of work: `strict` is for a function of a few lines, `normal` for a spell that
works on its data, `relaxed` for one that computes. They leave other limits as the level has them.
A tight limit warns earlier, because less is left of it in which to act."""


def expanded(given: Mapping[str, Any] | str) -> dict[str, Any]:
    """Limits by name, with those of a profile in its place. What else is given comes before it."""
    if isinstance(given, str):
        given = {"profile": given}
    if not isinstance(given, Mapping):
        raise UsageError(f"limits must be a mapping or a profile, got {type(given).__name__}")
    if "profile" not in given:
        return dict(given)
    profile = given["profile"]
    if not isinstance(profile, str) or profile not in PROFILES:
        known, close = ", ".join(PROFILES), near_miss(str(profile), PROFILES)
        raise UsageError(f"{profile!r} is not a profile of limits: use one of {known}{close}")
    return PROFILES[profile] | {name: v for name, v in given.items() if name != "profile"}


def read_limit(name: str, value: Any) -> Any:
    """Reads one limit: a number, or text such as "30s", "64MB", "none"."""
    if value is None or (isinstance(value, str) and value.lower() in ("none", "off")):
        if name == "depth":
            raise UsageError("the limit depth cannot be lifted")
        return None
    spans = name in ("time", "cpu")
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*([a-z]*)\s*", value.lower())
        units: Mapping[str, float] = SPANS if spans else UNITS
        if match is None or match[2] not in units:
            example = '"30s" or "2m"' if spans else '"64MB" or 1000000'
            raise UsageError(f"limit {name}: cannot read {value!r}; write it like {example}")
        value = float(match[1]) * units[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
        raise UsageError(f"limit {name}: must be a number above 0, got {value!r}")
    if name == "depth" and value > MAX_LEVELS:
        raise UsageError(f"limit depth: must be at most {MAX_LEVELS}, got {value:g}")
    if name == "warn" and value >= 1:
        raise UsageError(f"limit warn: must be a share below 1, such as 0.9, got {value!r}")
    if spans or name in ("cost", "warn"):
        return float(value)
    if value < 1:
        raise UsageError(f"limit {name}: must be at least 1, got {value!r}")
    return int(value)


class Usage:
    """What a run has used. `cost` is None as soon as one call's price is unknown."""

    __slots__ = ("calls", "cost", "cpu", "disk", "input_tokens", "memory", "model_calls", "output",
                 "output_tokens", "seconds", "steps")  # fmt: skip

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu = 0.0
        self.steps = 0
        self.memory = 0
        self.output = 0
        self.disk = 0
        self.calls = 0
        self.model_calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost: float | None = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON output."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return f"Usage({self.as_dict()})"


class Meter:
    """Charges a run against its limits; raises the matching LimitExceeded.

    near: limits of which the share for a warning was used up just now, to be told.
    warned: those, and the ones that were told, in the order in which they came near.
    held, tasks: bytes that the script held, and tasks that it had, when they were last asked for.
    around: wraps the models that are asked for the run, given one and its name; None leaves them.
    """

    def __init__(
        self, limits: Limits, usage: Usage | None = None, tenant: Tenant | None = None
    ) -> None:
        self.limits = limits
        self.usage = usage or Usage()
        self.tenant = tenant
        self.near: list[str] = []
        self.warned: list[str] = []
        self.held = self.tasks = 0
        self.around: Callable[..., Any] | None = None
        self._call_mark = mark(limits.calls, limits.warn)
        self._output_mark = mark(limits.output, limits.warn)
        self._disk_mark = mark(limits.disk, limits.warn)
        self.reserved_tokens = 0
        self.reserved_cost = 0.0
        self.spent_cost = 0.0
        self.held_bytes = self.logged = 0

    @property
    def root(self) -> Meter:
        """The meter of the run itself, where this one is of a part of it."""
        return self

    def hold(self, size: int) -> None:
        """Counts bytes that the host keeps for the script until the run ends."""
        self.held_bytes += size
        if self.limits.memory is not None and self.held_bytes > self.limits.memory:
            raise MemoryLimit(f"{self.limits.memory} bytes")

    def measure(
        self, seconds: float, steps: int, memory: int, cpu: float, peak: int, tasks: int
    ) -> None:
        """Takes what the engine knows of a run, and how long it has taken."""
        used = self.usage
        used.seconds, used.steps, used.cpu = seconds, steps, cpu
        used.memory = max(used.memory, memory, peak)
        self.held, self.tasks = memory, tasks

    def come_near(self, name: str) -> bool:
        """Notes that a limit came near, if that is new. Tells whether it is."""
        if name in self.warned:
            return False
        self.warned.append(name)
        self.near.append(name)
        return True

    def charge_call(self) -> None:
        """Counts one host call."""
        self.usage.calls += 1
        if self.usage.calls >= self._call_mark and self.limits.calls is not None:
            if self.usage.calls > self.limits.calls:
                raise CallLimit(f"{self.limits.calls} calls")
            self.come_near("calls")

    def charge_output(self, text: str) -> str:
        """Counts printed text; gives the part of it that is within the limit."""
        size = len(text) if text.isascii() else len(text.encode())
        self.usage.output += size
        if self.usage.output < self._output_mark:
            return text
        over = self.usage.output - (self.limits.output or self.usage.output)
        if over <= 0:
            self.come_near("output")
            return text
        return text.encode()[: max(0, size - over)].decode(errors="ignore")

    def charge_log(self, size: int) -> None:
        """Counts characters that are logged: as many as may be printed, and beside them."""
        self.logged += size
        if self.limits.output is not None and self.logged > self.limits.output:
            raise OutputLimit(f"{self.limits.output} bytes")

    def charge_disk(self, size: int) -> None:
        """Counts bytes before they are written to a file."""
        self.usage.disk += size
        if self.usage.disk >= self._disk_mark and self.limits.disk is not None:
            if self.usage.disk > self.limits.disk:
                raise DiskLimit(f"{self.limits.disk} bytes")
            self.come_near("disk")

    @property
    def priced(self) -> bool:
        """Whether dollars are limited, so that every request needs a price."""
        return self.limits.cost is not None or (
            self.tenant is not None and self.tenant.cost is not None
        )

    def room(self) -> int | None:
        """Tokens that may still be reserved, or None without a limit."""
        room = None if self.tenant is None else self.tenant.room
        if self.limits.tokens is None:
            return room
        used = self.usage.input_tokens + self.usage.output_tokens + self.reserved_tokens
        own = self.limits.tokens - used
        return own if room is None else min(own, room)

    def reserve(self, tokens: int, cost: float | None) -> Reservation:
        """Sets tokens and dollars aside before a model call. Raises BudgetExceeded."""
        limits, dollars = self.limits, cost or 0.0
        used = self.usage.input_tokens + self.usage.output_tokens + self.reserved_tokens
        if limits.tokens is not None and tokens > limits.tokens - used:
            raise BudgetExceeded(f"{limits.tokens} tokens")
        if limits.cost is not None and (
            self.spent_cost + self.reserved_cost + dollars > limits.cost
        ):
            raise BudgetExceeded(f"${limits.cost:g}")
        if self.tenant is not None:
            self.tenant.reserve(tokens, dollars)
        self.reserved_tokens += tokens
        self.reserved_cost += dollars
        return Reservation(self, tokens, dollars)

    def look_at_budget(self) -> None:
        """Notes when most of the tokens or dollars are used up."""
        limits, warn = self.limits, self.limits.warn
        if warn is None:
            return
        tokens = self.usage.input_tokens + self.usage.output_tokens
        if limits.tokens is not None and tokens >= limits.tokens * warn:
            self.come_near("tokens")
        if limits.cost is not None and self.spent_cost >= limits.cost * warn:
            self.come_near("cost")


class Reservation:
    """Tokens and dollars set aside for one call, until `settle` or `release`."""

    def __init__(self, meter: Meter, tokens: int, cost: float) -> None:
        self.meter = meter
        self.tokens = tokens
        self.cost = cost

    def release(self) -> None:
        """Gives back what was set aside: the call used nothing."""
        self.meter.reserved_tokens -= self.tokens
        self.meter.reserved_cost -= self.cost
        if self.meter.tenant is not None:
            self.meter.tenant.release(self.tokens, self.cost)
        self.tokens, self.cost = 0, 0.0

    def settle(self, input_tokens: int, output_tokens: int, cost: float | None) -> None:
        """Replaces the reservation by what the call used. Unknown cost stays unknown."""
        self.release()
        usage = self.meter.usage
        usage.model_calls += 1
        usage.input_tokens += input_tokens
        usage.output_tokens += output_tokens
        if self.meter.tenant is not None:
            self.meter.tenant.spend(input_tokens + output_tokens, cost or 0.0)
        if cost is None:
            usage.cost = None
        else:
            self.meter.spent_cost += cost
            if usage.cost is not None:
                usage.cost += cost
        self.meter.look_at_budget()


class Tenant:
    """Quotas that the runs of several sessions share: `Session(tenant=Tenant("acme", runs=20))`.

    memory: bytes that all its scripts together may hold; an isolated one counts with its whole
        limit, because nobody can look into it between two of its steps.
    runs: runs at the same time.
    tokens, cost: model tokens and US dollars, all that its runs ever use.

    A run that asks for more than what is left ends with the error of that limit, which names the
    tenant; the others go on. `held` and `peak` are the bytes held now and at most, `active` the
    runs there are, `used_tokens` and `spent` what was used of the budgets. Not thread-safe.
    """

    def __init__(
        self,
        name: str = "tenant",
        *,
        memory: int | str | None = None,
        runs: int | None = None,
        tokens: int | str | None = None,
        cost: float | None = None,
    ) -> None:
        self.name = name
        self.memory: int | None = read_limit("memory", memory)
        self.runs: int | None = read_limit("runs", runs)
        self.tokens: int | None = read_limit("tokens", tokens)
        self.cost: float | None = read_limit("cost", cost)
        self.held = self.peak = self.active = self.used_tokens = self._reserved_tokens = 0
        self.spent = self._reserved_cost = 0.0

    def enter(self) -> None:
        """Counts a run that begins. Raises RunLimit."""
        if self.runs is not None and self.active >= self.runs:
            raise RunLimit(f"{self.runs} at the same time", tenant=self.name)
        self.active += 1

    def leave(self) -> None:
        """A run has ended."""
        self.active -= 1

    @property
    def left(self) -> int | None:
        """Bytes that may still be taken, or None without a quota."""
        return None if self.memory is None else max(0, self.memory - self.held)

    def hold(self, change: int) -> None:
        """Counts bytes that are held from now on, or were given back."""
        self.held += change
        self.peak = max(self.peak, self.held)

    def out_of_memory(self) -> MemoryLimit:
        """The error for who asks for more than is left."""
        return MemoryLimit(f"{self.memory} bytes", tenant=self.name)

    @property
    def room(self) -> int | None:
        """Tokens that may still be reserved, or None without a quota."""
        if self.tokens is None:
            return None
        return self.tokens - self.used_tokens - self._reserved_tokens

    def reserve(self, tokens: int, cost: float) -> None:
        """Sets tokens and dollars aside for a call. Raises BudgetExceeded."""
        room = self.room
        if room is not None and tokens > room:
            raise BudgetExceeded(f"{self.tokens} tokens", tenant=self.name)
        if self.cost is not None and self.spent + self._reserved_cost + cost > self.cost:
            raise BudgetExceeded(f"${self.cost:g}", tenant=self.name)
        self._reserved_tokens += tokens
        self._reserved_cost += cost

    def release(self, tokens: int, cost: float) -> None:
        """Gives back what was set aside."""
        self._reserved_tokens -= tokens
        self._reserved_cost -= cost

    def spend(self, tokens: int, cost: float) -> None:
        """Counts what a call used."""
        self.used_tokens += tokens
        self.spent += cost


def mark(limit: float | None, warn: float | None) -> float:
    """Where a limit comes near: its share for a warning, or the limit where nobody is warned."""
    if limit is None:
        return inf
    return limit if warn is None else min(limit, ceil(limit * warn))
