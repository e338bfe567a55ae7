"""One line of the table, and how to take a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple


class Row(NamedTuple):
    what: str
    here: float
    unit: str
    peer: float | None = None
    target: str = ""


def best(work: Callable[[], Any], runs: int = 5) -> float:
    """Seconds of the fastest of several runs: the one least disturbed."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def pairs(
    work: Callable[[], float], peer: Callable[[], float], runs: int = 9
) -> tuple[float, float]:
    """Medians of two measures taken in turn, so that both meet the same machine."""
    found = [(work(), peer()) for _ in range(runs)]
    return median(a for a, _ in found), median(b for _, b in found)
