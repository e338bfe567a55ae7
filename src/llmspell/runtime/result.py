"""What a run came to."""

from __future__ import annotations

from typing import Any

from ..engines.base import Engine
from ..errors import LlmspellError
from ..limits import Limits, Usage
from .gate import CallRecord


class Result:
    """What a run came to.

    value: what the spell returned, or None.
    output: all it printed.
    usage: what it used.
    calls: its host calls, in the order they were answered.
    run_id: names the run in logs.
    engine, limits: what it ran in, and within.
    seed: what the random numbers of the script started from.
    isolation: each layer of isolation -> why it was not active, or "" when it was.
    error: what ended it, or None. `run` raises it; `attempt` leaves it here.
    """

    __slots__ = ("calls", "engine", "error", "isolation", "limits", "output", "run_id", "seed",
                 "usage", "value")  # fmt: skip

    def __init__(self, run_id: str, engine: Engine, limits: Limits, seed: int) -> None:
        self.run_id = run_id
        self.engine = engine
        self.limits = limits
        self.seed = seed
        self.value: Any = None
        self.output = ""
        self.usage = Usage()
        self.calls: list[CallRecord] = []
        self.isolation: dict[str, str] = {}
        self.error: LlmspellError | None = None

    def __repr__(self) -> str:
        came = f"error={self.error!r}" if self.error is not None else f"value={self.value!r}"
        return f"Result({came[:200]}, calls={self.usage.calls}, run_id={self.run_id!r})"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON output, a complete record of the run. It holds no secret."""
        return {
            "run_id": self.run_id,
            "engine": f"{self.engine.name} ({self.engine.version})",
            "seed": self.seed,
            "limits": self.limits._asdict(),
            "result": self.value,
            "output": self.output,
            "usage": self.usage.as_dict(),
            "isolation": self.isolation,
            "error": None if self.error is None else self.error.as_dict(),
        }
