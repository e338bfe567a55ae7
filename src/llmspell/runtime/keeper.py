"""What writes a checkpoint as the run goes on, in memory or to a file."""

from __future__ import annotations

import json
import os
from typing import IO, TYPE_CHECKING, Any

from ..engines.base import Engine, Isolate
from ..errors import UsageError
from ..host.secrets import Filter
from ..limits import Limits, Meter
from ..spells.program import Program
from .checkpoint import MAX_BYTES, Abandoned, Checkpoint, Event, event_line, head_line, written
from .resumable import ResumableDriver

if TYPE_CHECKING:
    from .run import Run
    from .session import Session

USED = ("model_calls", "input_tokens", "output_tokens", "cost", "disk")
"""What a restored run has used already, and its limits count."""


class Keeper:
    """Writes events down, in memory or to a file."""

    def __init__(self, secrets: Filter, meter: Meter) -> None:
        self._secrets = secrets
        self._usage = meter.usage
        self._lines: list[str] = []
        self._file: IO[str] | None = None
        self._path: str | os.PathLike[str] | None = None
        self._size = 0
        self._told: tuple[Any, ...] = ()
        self._lost = False

    def begin(self, head: dict[str, Any], path: str | os.PathLike[str] | None) -> None:
        """Writes the head."""
        hidden = self._secrets.data(head)
        if hidden != head:
            head = hidden | {"hidden": True}
        self._put(json.dumps(head, ensure_ascii=False))
        if path is not None:
            self._path, self._file = path, written(path, self._lines)
            self._lines.clear()

    def go_on(self, checkpoint: Checkpoint, path: str | os.PathLike[str] | None) -> None:
        """Goes on after what a checkpoint has."""
        for line in checkpoint.lines:
            self._put(line)
        if path is not None:
            self._path, self._file = path, written(path, self._lines)
            self._lines.clear()
        self._told = self._used()

    def note(self, event: Event) -> None:
        """Writes an event."""
        line = event_line(event)
        if not isinstance(event, Abandoned):
            line = self._without_secrets(line)
        used = self._used()
        if used != self._told:
            line["used"] = {k: v for k, v in zip(USED, used, strict=True) if v is not None}
            self._told = used
        self._put(json.dumps(line, ensure_ascii=False))

    def checkpoint(self) -> Checkpoint:
        """What was written so far."""
        if self._path is not None:
            return Checkpoint.load(self._path)
        return Checkpoint(self._lines)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._lost = True

    def _without_secrets(self, line: dict[str, Any]) -> dict[str, Any]:
        kept = line | {"args": self._secrets.text(line["args"])}
        if "value" in line:
            kept["value"] = self._secrets.text(line["value"])
        if "error" in line:
            kept["error"] = self._secrets.data(line["error"])
        # Arguments of calls are only compared; what came into the isolate must be what it was.
        compared = {"args": line["args"]} if "call" in line else {}
        return kept if kept | compared == line else kept | {"hidden": True}

    def _used(self) -> tuple[Any, ...]:
        return tuple(getattr(self._usage, name) for name in USED)

    def _put(self, line: str) -> None:
        if self._lost:
            return
        self._size += len(line)
        if self._size > MAX_BYTES:
            self._lost = True
            line = json.dumps({"lost": f"it would be larger than {MAX_BYTES} characters"})
        if self._file is None:
            self._lines.append(line)
        else:
            self._file.write(line + "\n")
            self._file.flush()


class Keeping:
    """Where a run keeps its checkpoint, if in a file, and the one it begins with, if any."""

    def __init__(self, checkpoint: Checkpoint | None, path: str | os.PathLike[str] | None) -> None:
        self.keeper: Keeper
        self._checkpoint = checkpoint
        self._path = path

    def check(self, engine: Engine, program: Program, session: Session, seed: int) -> int:
        """The seed of the run. Raises UsageError, or RestoreError where something has changed."""
        if session.journal is not None:
            raise UsageError("a run that is recorded or replayed keeps no checkpoint")
        if "reproduce" not in engine.features:
            raise UsageError(f"the engine {engine.name} cannot keep a checkpoint")
        if self._checkpoint is None:
            return seed
        self._checkpoint.check(engine, program, session.features)
        found: int = self._checkpoint.head["seed"]
        return found

    def driver(
        self, isolate: Isolate, limits: Limits, meter: Meter, secrets: Filter
    ) -> ResumableDriver:
        """The driver of the run."""
        self.keeper = Keeper(secrets, meter)
        driver = ResumableDriver(isolate, limits, meter)
        driver.keep(self.keeper, secrets.text)
        return driver

    def begin(self, run: Run) -> None:
        """Writes the head; the run is as it was made. Raises UsageError, RestoreError."""
        if self._checkpoint is None:
            engine, seed, limits = run.result.engine, run.result.seed, run.result.limits
            given = engine, run.program, run.params.decode(), seed, limits, run.session.features
            self.keeper.begin(head_line(*given), self._path)
            return
        assert isinstance(run.driver, ResumableDriver)
        run.driver.restore(self._checkpoint)
        self.keeper.go_on(self._checkpoint, self._path)
