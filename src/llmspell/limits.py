"""How much? The limits of a run, what it has used, and budgets that cannot be overshot.

Limits are hard: reaching one ends the run and no script can catch it. Tokens and dollars are
reserved before a call and settled after it, so that calls in flight at once stay within budget.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import BudgetExceeded, CallLimit, DiskLimit, MemoryLimit, OutputLimit, UsageError

UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1000, "kib": 1024, "m": 10**6, "mb": 10**6, "mib": 2**20,
         "g": 10**9, "gb": 10**9, "gib": 2**30}  # fmt: skip
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
    depth: nesting depth of values that cross.
    tokens: model tokens, sent and received.
    cost: US dollars spent on models; a model of unknown price is refused.
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

    def updated(self, given: Mapping[str, Any]) -> Limits:
        """These limits with some replaced: {"time": "30s", "memory": "64MB", "steps": None}."""
        changed: dict[str, Any] = {}
        for name, value in given.items():
            if name not in self._fields:
                known = ", ".join(sorted(self._fields))
                raise UsageError(f"{name!r} is not a limit: use one of {known}")
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
    if spans or name == "cost":
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
    """Charges a run against its limits; raises the matching LimitExceeded."""

    def __init__(self, limits: Limits, usage: Usage | None = None) -> None:
        self.limits = limits
        self.usage = usage or Usage()
        self.reserved_tokens = 0
        self.reserved_cost = 0.0
        self.spent_cost = 0.0
        self.held_bytes = self.logged = 0

    def hold(self, size: int) -> None:
        """Counts bytes that the host keeps for the script until the run ends."""
        self.held_bytes += size
        if self.limits.memory is not None and self.held_bytes > self.limits.memory:
            raise MemoryLimit(f"{self.limits.memory} bytes")

    def charge_call(self) -> None:
        """Counts one host call."""
        self.usage.calls += 1
        if self.limits.calls is not None and self.usage.calls > self.limits.calls:
            raise CallLimit(f"{self.limits.calls} calls")

    def charge_output(self, text: str) -> str:
        """Counts printed text; gives the part of it that is within the limit."""
        size = len(text) if text.isascii() else len(text.encode())
        self.usage.output += size
        over = self.usage.output - (self.limits.output or self.usage.output)
        if over <= 0:
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
        if self.limits.disk is not None and self.usage.disk > self.limits.disk:
            raise DiskLimit(f"{self.limits.disk} bytes")

    def room(self) -> int | None:
        """Tokens that may still be reserved, or None without a limit."""
        if self.limits.tokens is None:
            return None
        used = self.usage.input_tokens + self.usage.output_tokens + self.reserved_tokens
        return self.limits.tokens - used

    def reserve(self, tokens: int, cost: float | None) -> Reservation:
        """Sets tokens and dollars aside before a model call. Raises BudgetExceeded."""
        limits, room = self.limits, self.room()
        if room is not None and tokens > room:
            raise BudgetExceeded(f"{limits.tokens} tokens")
        dollars = cost or 0.0
        if limits.cost is not None and (
            self.spent_cost + self.reserved_cost + dollars > limits.cost
        ):
            raise BudgetExceeded(f"${limits.cost:g}")
        self.reserved_tokens += tokens
        self.reserved_cost += dollars
        return Reservation(self, tokens, dollars)


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
        self.tokens, self.cost = 0, 0.0

    def settle(self, input_tokens: int, output_tokens: int, cost: float | None) -> None:
        """Replaces the reservation by what the call used. Unknown cost stays unknown."""
        self.release()
        usage = self.meter.usage
        usage.model_calls += 1
        usage.input_tokens += input_tokens
        usage.output_tokens += output_tokens
        if cost is None:
            usage.cost = None
            return
        self.meter.spent_cost += cost
        if usage.cost is not None:
            usage.cost += cost
