"""The list of calls a run made. Recorded, it can be replayed: the same spell, offline.

A journal is a file of JSON lines, one call each, in the order the answers came. Replaying
matches calls by name and arguments and gives answers in the recorded order, so that calls in
flight at the same time come back as they did. Calls whose whole effect is other calls or
functions of the script (`again` in their declaration) are made again instead.

Where the random numbers of each run started is told with the first call that is recorded after it.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict, deque
from collections.abc import Callable
from typing import IO, Any, NamedTuple, Protocol

from ..errors import CapabilityError, HostFailure, UsageError
from ..values import decode, dumps

LATER = 2**62
"""The place of an answer that was not recorded: after all that were."""

BEGINNINGS = (b'{"checkpoint"', b'{"call"')
"""What the files begin with that a run may replace: checkpoints and recordings."""


class Recorded(NamedTuple):
    """A recorded answer and its place among all answers."""

    place: int
    answer: bytes | CapabilityError


class Journal(Protocol):
    """What the gate asks of a journal."""

    replays: bool

    def recorded(self, name: str, args: bytes) -> Recorded | None: ...

    def record(self, name: str, args: bytes, answer: bytes | CapabilityError) -> None: ...


class Recorder:
    """Appends every answered call to a file, each line as soon as it is known.

    One that lacks a call is worth nothing: what failed once fails from then on.
    """

    replays = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        spare(path, "recording")
        self._path = path
        self._seeds: list[int] = []
        self._lost: str | None = None
        self._file = self._open("w")

    def _open(self, mode: str) -> IO[str]:
        try:
            return open(self._path, mode, encoding="utf-8")
        except OSError as error:
            raise self._failure(error.strerror) from None

    def _failure(self, reason: str | None) -> UsageError:
        self._lost = reason or "it failed"
        return UsageError(f"cannot record to {self._path}: {self._lost}")

    def seed(self, given: int | None) -> int:
        """The seed of a run that begins: the one it is given, or a new one. Noted."""
        self._seeds.append(new_seed() if given is None else given)
        return self._seeds[-1]

    def recorded(self, name: str, args: bytes) -> None:
        """Nothing is replayed while recording."""

    def record(self, name: str, args: bytes, answer: bytes | CapabilityError) -> None:
        """Writes one call. Raises UsageError."""
        if self._lost is not None:
            raise self._failure(self._lost)
        line: dict[str, Any] = {"call": name, "args": args.decode()}
        if isinstance(answer, CapabilityError):
            from .frames import tell_error

            line["error"] = tell_error(answer)
        else:
            line["value"] = answer.decode()
        if self._seeds:
            line["seeds"], self._seeds = self._seeds, []
        if self._file.closed:
            self._file = self._open("a")
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._failure(error.strerror) from None

    def close(self) -> None:
        """Closes the file. Raises UsageError, unless a call had it before."""
        told = self._lost is not None
        try:
            self._file.close()
        except OSError as error:
            if not told:
                raise self._failure(error.strerror) from None


class Replayer:
    """Answers calls from a recorded file; a call that is not in it fails."""

    replays = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._answers: dict[tuple[str, str], deque[Recorded]] = defaultdict(deque)
        self._seeds: deque[int] = deque()
        self._name = os.path.basename(path)
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().split("\n")
        except OSError as error:
            raise UsageError(f"cannot replay {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"cannot replay {path}: it is not UTF-8 text") from None
        for number, line in enumerate(lines, 1):
            try:
                if line and not _is_of_checkpoint(told := json.loads(line)):
                    name, args, answer = _read(told)
                    self._seeds += _seeds(told)
                    self._answers[name, args].append(Recorded(number, answer))
            except (ValueError, KeyError, TypeError, RecursionError):
                reason = f"line {number} is not a recorded call"
                raise UsageError(f"cannot replay {path}: {reason}") from None

    def seed(self, given: int | None) -> int:
        """The seed of a run that begins: the one it is given, or that of the run recorded here."""
        if given is not None:
            return given
        return self._seeds.popleft() if self._seeds else new_seed()

    def recorded(self, name: str, args: bytes) -> Recorded:
        """The next recorded answer to this call."""
        queue = self._answers.get((name, args.decode()))
        if queue:
            return queue.popleft()
        message = f"{name}: this call is not in the recording {self._name}"
        return Recorded(LATER, HostFailure(message, code="not_recorded", capability=name))

    def record(self, name: str, args: bytes, answer: bytes | CapabilityError) -> None:
        """A replay changes nothing."""

    def close(self) -> None:
        """Nothing is open."""


def spare(path: str | os.PathLike[str], kind: str) -> None:
    """Raises UsageError where a file is there that is not one of ours: it is not to be lost."""
    if not os.path.isfile(path):
        return
    try:
        with open(path, "rb") as file:
            begins = file.read(len(BEGINNINGS[0]))
    except OSError:
        return  # told when it is written
    if begins and not begins.startswith(BEGINNINGS):
        reason = f"a file is there that is no {kind}; remove it, or name another"
        raise UsageError(f"cannot write the {kind} {path}: {reason}")


def value_text(text: str) -> bytes:
    """Text form of a value from a file, written anew: engines read only the compact form.

    Raises ValueError or RecursionError unless it can have crossed.
    """
    from .frames import ProtocolError, check_text

    try:
        raw = check_text(dumps(json.loads(text)))
    except ProtocolError as error:
        raise ValueError(str(error)) from None
    decode(raw)  # what has a tag is bytes, a handle or a function
    return raw


def answer_error(told: Any) -> CapabilityError:
    """An error from a file. Raises ValueError unless a call can have been answered with it."""
    from .frames import ProtocolError, read_error

    if not isinstance(told, dict):
        raise ValueError
    json.dumps(told, ensure_ascii=False).encode()  # half a character is none
    try:
        error = read_error({"frames": [], "capability": ""} | told)
    except ProtocolError as misfit:
        raise ValueError(str(misfit)) from None
    if not isinstance(error, CapabilityError):
        raise ValueError
    return error


def hidden(answer: bytes | CapabilityError, hide: Callable[[str], str]) -> bytes | CapabilityError:
    """An answer as it is recorded: through `hide`, which takes secrets out of text."""
    if isinstance(answer, bytes):
        return hide(answer.decode()).encode()
    if not answer.details:
        return answer  # its message went through it before
    kept = type(answer)(
        answer.message, code=answer.code, capability=answer.capability, retryable=answer.retryable
    )
    kept.details = json.loads(hide(dumps(answer.details)))
    return kept


def new_seed() -> int:
    """Where the random numbers of a run may start: from 0 to 2^31-1."""
    return int.from_bytes(os.urandom(4)) >> 1


def _seeds(line: dict[str, Any]) -> list[int]:
    seeds = line.get("seeds", [])
    if not all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds):
        raise ValueError
    return list(seeds)


def _is_of_checkpoint(line: Any) -> bool:
    """Whether a line is what a checkpoint has besides the calls of a recording."""
    others = ("checkpoint", "function", "abandoned")
    return isinstance(line, dict) and "call" not in line and any(name in line for name in others)


def _read(line: dict[str, Any]) -> tuple[str, str, bytes | CapabilityError]:
    name, args, said = line["call"], line["args"], line.get("error")
    if not isinstance(name, str) or not isinstance(args, str):
        raise ValueError
    args.encode()  # text with half a character in it stands for no call
    if said is None:
        return name, args, value_text(line["value"])
    error = answer_error(said)
    error.capability = error.capability or name
    return name, args, error
