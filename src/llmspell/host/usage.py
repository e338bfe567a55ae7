"""What a run has used, and what it may use, as its script is told.

report(meter)          a ResourceUsage of now
report(meter, name)    the one a script is warned with: the limit `name` came near
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..limits import Meter


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Memory of the script, in bytes.

    current: held now, garbage included that was not collected yet.
    peak: the most that was held.
    limit: how much may be held; left out without a limit.
    soft: beyond this, garbage is collected, and the script is warned where that does not help.
    """

    current: int
    peak: int
    limit: int | None
    soft: int | None


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What a spell has used.

    steps: loop turns and function calls.
    seconds: wall time since it began.
    cpu: seconds of processor time inside the script engine.
    memory: what it holds.
    calls: host calls, this one included.
    output: bytes printed.
    disk: bytes written to files.
    tasks: tasks alive.
    tokens: model tokens, sent and received.
    cost: US dollars spent on models; left out when a price is unknown.
    limits: the limits there are, by name.
    warning: the limit that a handler of warnings is told of; else left out.
    """

    steps: int
    seconds: float
    cpu: float
    memory: MemoryUsage
    calls: int
    output: int
    disk: int
    tasks: int
    tokens: int
    cost: float | None
    limits: dict[str, Any]
    warning: str | None = None


def report(meter: Meter, warning: str | None = None) -> ResourceUsage:
    """What was used so far, as the meter has it."""
    used, limits = meter.usage, meter.limits
    soft = None
    if limits.memory is not None and limits.warn is not None:
        soft = int(limits.memory * limits.warn)
    return ResourceUsage(
        steps=used.steps,
        seconds=used.seconds,
        cpu=used.cpu,
        memory=MemoryUsage(meter.held, used.memory, limits.memory, soft),
        calls=used.calls,
        output=used.output,
        disk=used.disk,
        tasks=meter.tasks,
        tokens=used.input_tokens + used.output_tokens,
        cost=used.cost,
        limits={name: bound for name, bound in limits._asdict().items() if bound is not None},
        warning=warning,
    )
