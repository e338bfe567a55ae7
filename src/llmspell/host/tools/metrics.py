"""How often the tools of a run were used, how that ended, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ToolMetrics:
    """How one tool was used in this run.

    calls: calls of it.
    failures: those that failed, the following included.
    refused: those refused before it ran: wrong arguments, no grant, nobody agreed.
    timeouts: those given up because they took too long.
    seconds: time that all took.
    slowest: seconds of the slowest.
    last_error: code of the last failure, or nothing.
    """

    calls: int = 0
    failures: int = 0
    refused: int = 0
    timeouts: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    last_error: str | None = None

    def end(self, seconds: float) -> None:
        """A call has ended, in whatever way."""
        self.calls += 1
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)

    def fail(self, code: str) -> None:
        """It has failed."""
        self.failures += 1
        self.last_error = code
