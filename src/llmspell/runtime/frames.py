"""What crosses between the host and a worker: length-prefixed JSON, checked when it arrives.

A frame is four bytes of length, big-endian, and a JSON array: a word and its fields, see TO_WORKER
and TO_HOST. Values of a spell are fields in the text form of `llmspell.values`, as strings, so a
frame itself is flat; a string at its end follows the array as it is, behind a line feed, because
quoting a value twice takes time. Neither side keeps more of the other than one frame.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from .. import records
from ..errors import (
    CAPABILITY_ERRORS,
    LIMIT_ERRORS,
    CapabilityError,
    Frame,
    InternalError,
    LimitExceeded,
    LlmspellError,
    ScriptRuntimeError,
    ScriptSyntaxError,
    Variables,
)
from ..values import (
    BYTES_TAG,
    FUNCTION_TAG,
    HANDLE_TAG,
    INT_MAX,
    INT_MIN,
    MAX_DEPTH,
    MAX_NODES,
    dumps,
    is_plain,
    loads,
)

MAX_TEXT = 1024 * 1024
"""Most bytes of one value that crosses."""

MAX_FRAME = 2 * MAX_TEXT + 65536
"""Most bytes of a frame: a source can double when it is quoted."""

LARGE = 4096
"""Bytes of a value that is worth a look at it as a whole before one at each part."""

LENGTH = struct.Struct("!I")

HALF = re.compile(r"\\u[dD][89abcdefABCDEF]")
"""What may be half of a character. No honest worker writes it: a whole one goes out as it is."""

CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1

SOON = 0.0003 if CORES > 1 else 0.0
"""Seconds in which the other side answers what is quick. A side that had its last answer that soon
waits for the next awake: for both to be woken takes as long as all the rest of a call."""

Shapes = Mapping[str, tuple[type | tuple[type, ...], ...]]
NUMBER = (int, float)

TO_WORKER: Shapes = {
    # engine, names with their signatures, folder of what it keeps: what a zygote warms
    "names": (str, list, str),
    "open": (dict,),  # limits
    "well": (),  # is answered like an opening, by one that can
    "restrict": (list, list, str),  # names allowed, names removed, what the sandbox is called
    "reveal": (),  # errors tell what variables held
    "reproduce": (),  # the same happens wherever the same is sent
    "run": (int, str, str, str, int),  # entry, name, source, params, seed
    "call": (int, (int, str), str),  # entry, function or its name, arguments
    "resume": (int, str),  # call, value
    "refuse": (int, dict),  # call, error
    "abandon": (int,),  # entry
    "deadlock": (list,),  # pairs of a call and what it waits for
}
"""Words of the host, with the types of their fields."""

TO_HOST: Shapes = {
    "ready": (dict,),  # layer -> why it is not active, or ""
    # frames handled, busy, steps, bytes, most bytes, tasks, CPU, where
    "state": (int, bool, int, int, int, int, NUMBER, list),
    "call": (int, str, str),  # call, name, arguments
    "near": (str,),  # limit
    "print": (str,),
    "cancel": (int,),
    "drop": (list,),  # handle, how often it had come, handle, how often ...
    "done": (int, str),  # entry, value
    "fail": (int, dict),  # entry, error
    "exit": (int,),  # wait status, told by the zygote when the worker is gone
}
"""Words of the worker, with the types of their fields."""

VALUED = frozenset({"call", "done"})
"""Those that end with a value in text form, which `check_text` is to look at."""


class ProtocolError(Exception):
    """The other side sent what no honest one sends."""


def pack(*message: Any) -> bytes:
    """One frame."""
    *fields, last = message
    text = f"{dumps(fields)}\n{last}" if isinstance(last, str) else dumps(message)
    raw = text.encode()
    return LENGTH.pack(len(raw)) + raw


class Frames:
    """Takes a stream of bytes apart. Iterating gives the messages that are complete."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> None:
        """Adds what was read."""
        self._buffer += data

    @property
    def missing(self) -> int:
        """How many bytes the next step of reading can take without reaching behind a frame."""
        if len(self._buffer) < LENGTH.size:
            return LENGTH.size - len(self._buffer)
        return LENGTH.size + int(LENGTH.unpack_from(self._buffer)[0]) - len(self._buffer)

    def __iter__(self) -> Iterator[list[Any]]:
        return self

    def __next__(self) -> list[Any]:
        if len(self._buffer) < LENGTH.size:
            raise StopIteration
        (size,) = LENGTH.unpack_from(self._buffer)
        if not 0 < size <= MAX_FRAME:
            raise ProtocolError(f"a frame of {size} bytes")
        end = LENGTH.size + size
        if len(self._buffer) < end:
            raise StopIteration
        text = self._buffer[LENGTH.size : end]
        del self._buffer[:end]
        return self._checked(text)

    def last(self) -> list[Any] | None:
        """The exit frame at the end of a stream, even behind a frame that was cut off."""
        size = len(exit_frame(0))
        tail = Frames(self._shapes)
        tail.feed(bytes(self._buffer[-size:]))
        try:
            message = next(tail, None)
        except ProtocolError:
            return None
        return message if message is not None and message[0] == "exit" else None

    def _checked(self, text: bytearray) -> list[Any]:
        try:
            array, line, last = text.decode().partition("\n")
            message = loads(array)
            _check_characters(array, message)
        except (ValueError, RecursionError):
            raise ProtocolError("a frame that is not JSON") from None
        if line and isinstance(message, list):
            message.append(last)
        if not (isinstance(message, list) and message and isinstance(message[0], str)):
            raise ProtocolError("a frame that is not a message")
        word, *fields = message
        shape = self._shapes.get(word)
        if shape is None or len(shape) != len(fields):
            raise ProtocolError(f"a frame of the form {word[:20]!r}")
        if tuple(map(type, fields)) != shape and not all(map(_fits, fields, shape)):
            raise ProtocolError(f"a {word!r} frame with a wrong field")
        for field in fields:
            if type(field) is int and not INT_MIN <= field <= INT_MAX:
                raise ProtocolError(f"a {word!r} frame with an integer of more than 64 bits")
            if type(field) is float and not isfinite(field):
                raise ProtocolError(f"a {word!r} frame with a number that is not finite")
        return message


def _fits(field: Any, wanted: type | tuple[type, ...]) -> bool:
    return isinstance(field, wanted) and (wanted is bool or not isinstance(field, bool))


def exit_frame(status: int) -> bytes:
    """The frame the zygote ends a stream with: always of the same size."""
    return LENGTH.pack(14) + b'["exit",%5d]' % status


def check_text(text: str) -> bytes:
    """A value in text form that a worker sent, as bytes. Raises ProtocolError unless it is one."""
    try:
        raw = text.encode()
        if len(raw) > MAX_TEXT:
            raise ProtocolError(f"a value of {len(raw)} bytes")
        level = [loads(text)]
        _check_characters(text, level)
    except (ValueError, RecursionError):
        raise ProtocolError("a value that is not JSON") from None
    if len(raw) > LARGE and is_plain(level, MAX_DEPTH + 2, checked=True):
        return raw
    nodes = depth = 0
    while level:
        nodes += len(level)
        depth += 1
        # The list of a call's arguments is none of the parts that its VM counts.
        if nodes > MAX_NODES + 1 or depth > MAX_DEPTH + 2:
            raise ProtocolError("a value with too many parts")
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                below += () if _is_tag(item) else item.values()
            elif kind is list:
                below += item
            elif kind is float:
                if item - item != 0.0:
                    raise ProtocolError("a number that is not finite")
            elif kind is int and not INT_MIN <= item <= INT_MAX:
                raise ProtocolError("an integer of more than 64 bits")
        level = below
    return raw


def _check_characters(text: str, value: Any) -> None:
    """Refuses halves of characters, which JSON can tell and nobody can write. Raises ValueError."""
    if HALF.search(text):
        dumps(value).encode()


def _is_tag(item: dict[str, Any]) -> bool:
    """Whether a map stands for bytes, a function or a handle: each is one part for its VM."""
    if len(item) != 1:
        return False
    ((key, content),) = item.items()
    if key == HANDLE_TAG:
        return type(content) is list and list(map(type, content)) == [str, int]
    return (key, type(content)) in ((BYTES_TAG, str), (FUNCTION_TAG, int))


def tell_error(error: LlmspellError) -> dict[str, Any]:
    """An error as plain data."""
    told: dict[str, Any] = {
        "type": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "frames": [list(frame) for frame in error.frames],
    }
    if error.retryable:
        told["retryable"] = True
    if error.details:
        told["details"] = dumps(error.details)
    if error.variables:
        told["variables"] = [list(shown) for shown in error.variables]
    if isinstance(error, CapabilityError):
        told["capability"] = error.capability
    elif isinstance(error, LimitExceeded):
        told["limit"] = error.limit
    elif isinstance(error, ScriptRuntimeError) and error.value is not None:
        told["value"] = dumps(error.value)
    return told


def read_error(told: dict[str, Any]) -> LlmspellError:
    """The error the other side told of. Raises ProtocolError unless it can have happened there."""
    error = _read_kind(told)
    error.retryable = told.get("retryable") is True
    if "details" in told:
        error.details = records.details(records.read(_value(told, "details")))
    if "variables" in told:
        error.variables = _read_variables(told["variables"])
    return error


def _read_kind(told: dict[str, Any]) -> LlmspellError:
    frames = read_frames(told.get("frames"))
    kind, code, message = (_text(told, key) for key in ("type", "code", "message"))
    if kind in CAPABILITY_ERRORS:
        return CAPABILITY_ERRORS[kind](
            message,
            code=code,
            capability=_text(told, "capability"),
            frames=frames,
        )
    limit = LIMIT_ERRORS.get(code)
    if limit is not None and limit.__name__ == kind:
        exceeded = limit(_text(told, "limit"))
        exceeded.frames = frames
        return exceeded
    if kind == "ScriptSyntaxError":
        return ScriptSyntaxError(message, frames=frames)
    if kind == "ScriptRuntimeError":
        value = _value(told, "value") if "value" in told else None
        error = ScriptRuntimeError(message, frames=frames, value=value)
        error.code = records.own_code(code)
        return error
    if kind == "InternalError":
        return InternalError(message, frames=frames)
    raise ProtocolError(f"an error of the type {kind[:20]!r}")


def read_frames(told: object) -> tuple[Frame, ...]:
    """Levels of a script's call stack. Raises ProtocolError unless they are."""
    if not isinstance(told, list) or len(told) > 100:
        raise ProtocolError("a call stack that is none")
    for frame in told:
        if not (isinstance(frame, list) and [type(part) for part in frame] == [str, int, str]):
            raise ProtocolError("a call stack that is none")
    return tuple(Frame(*frame) for frame in told)


def _read_variables(told: object) -> tuple[Variables, ...]:
    if not isinstance(told, list) or len(told) > records.MAX_FRAMES:
        raise ProtocolError("variables that are none")
    if any(not isinstance(shown, list) or len(shown) != 2 for shown in told):
        raise ProtocolError("variables that are none")
    return tuple(map(records.read_variables, told))


def _value(told: dict[str, Any], key: str) -> Any:
    return loads(check_text(_text(told, key)).decode())


def _text(told: dict[str, Any], key: str) -> str:
    value = told.get(key)
    if not isinstance(value, str):
        raise ProtocolError(f"an error without {key}")
    return value
