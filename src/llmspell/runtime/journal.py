"""The list of calls a run made. Recorded, it can be replayed: the same spell, offline.

A journal is a file of JSON lines, one call each, in the order the answers came. Replaying
matches calls by name and arguments, first recorded first given, so that calls in flight at
the same time may come in any order.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict, deque
from typing import Any, Protocol

from ..errors import CAPABILITY_ERRORS, CapabilityError, HostFailure, UsageError


class Journal(Protocol):
    """What the gate asks of a journal."""

    def recorded(self, name: str, args: bytes) -> bytes | CapabilityError | None: ...

    def record(self, name: str, args: bytes, answer: bytes | CapabilityError) -> None: ...


class Recorder:
    """Appends every answered call to a file, each line as soon as it is known."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - open until close()

    def recorded(self, name: str, args: bytes) -> None:
        """Nothing is replayed while recording."""

    def record(self, name: str, args: bytes, answer: bytes | CapabilityError) -> None:
        """Writes one call."""
        line: dict[str, Any] = {"call": name, "args": args.decode()}
        if isinstance(answer, CapabilityError):
            line["error"] = {
                "type": type(answer).__name__,
                "code": answer.code,
                "message": answer.message,
                "retryable": answer.retryable,
            }
        else:
            line["value"] = answer.decode()
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Replayer:
    """Answers calls from a recorded file; a call that is not in it fails."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._answers: dict[tuple[str, str], deque[dict[str, Any]]] = defaultdict(deque)
        self._name = os.path.basename(path)
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
            for line in map(json.loads, lines):
                self._answers[line["call"], line["args"]].append(line)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"cannot replay {path}: {error}") from None

    def recorded(self, name: str, args: bytes) -> bytes | CapabilityError:
        """The next recorded answer to this call."""
        queue = self._answers.get((name, args.decode()))
        if not queue:
            return HostFailure(
                f"{name}: this call is not in the recording {self._name}", code="not_recorded"
            )
        line = queue.popleft()
        if "error" in line:
            said = line["error"]
            kind = CAPABILITY_ERRORS.get(said["type"], HostFailure)
            return kind(
                said["message"], code=said["code"], capability=name, retryable=said["retryable"]
            )
        return str(line["value"]).encode()

    def record(self, name: str, args: bytes, answer: bytes | CapabilityError) -> None:
        """A replay changes nothing."""

    def close(self) -> None:
        """Nothing is open."""
