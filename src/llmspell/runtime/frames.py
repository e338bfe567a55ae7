"""What crosses between the host and a worker: length-prefixed JSON, checked when it arrives.

A frame is four bytes of length, big-endian, and a JSON array: a word and its fields, see TO_WORKER
and TO_HOST. Values of a spell are fields in the text form of `llmspell.values`, as strings, so a
frame itself is flat. Neither side keeps more of the other than one frame.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

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
)
from ..values import INT_MAX, INT_MIN, MAX_DEPTH, MAX_NODES

MAX_TEXT = 1024 * 1024
"""Most bytes of one value that crosses."""

MAX_FRAME = 2 * MAX_TEXT + 65536
"""Most bytes of a frame: a value's text can double when it is quoted."""

LENGTH = struct.Struct("!I")

Shapes = Mapping[str, tuple[type | tuple[type, ...], ...]]
NUMBER = (int, float)

TO_WORKER: Shapes = {
    "names": (str, list),  # engine, names with their signatures: what a zygote warms
    "open": (dict,),  # limits
    "run": (int, str, str, str, int),  # entry, name, source, params, seed
    "call": (int, int, str),  # entry, function, arguments
    "resume": (int, str),  # call, value
    "refuse": (int, dict),  # call, error
}
"""Words of the host, with the types of their fields."""

TO_HOST: Shapes = {
    "ready": (dict,),  # layer -> why it is not active, or ""
    "state": (int, bool, int, int, NUMBER, list),  # frames handled, busy, steps, bytes, CPU, where
    "call": (int, str, str),  # call, name, arguments
    "print": (str,),
    "cancel": (int,),
    "done": (int, str),  # entry, value
    "fail": (int, dict),  # entry, error
    "exit": (int,),  # wait status, told by the zygote when the worker is gone
}
"""Words of the worker, with the types of their fields."""


class ProtocolError(Exception):
    """The other side sent what no honest one sends."""


def pack(*message: Any) -> bytes:
    """One frame."""
    text = _dumps(message).encode()
    return LENGTH.pack(len(text)) + text


_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class Frames:
    """Takes a stream of bytes apart. Iterating gives the messages that are complete."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
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
        text = bytes(self._buffer[LENGTH.size : end])
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

    def _checked(self, text: bytes) -> list[Any]:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise ProtocolError("a frame that is not JSON") from None
        if not (isinstance(message, list) and message and isinstance(message[0], str)):
            raise ProtocolError("a frame that is not a message")
        shape = self._shapes.get(message[0])
        if shape is None or len(shape) != len(message) - 1:
            raise ProtocolError(f"a frame of the form {message[0][:20]!r}")
        for field, wanted in zip(message[1:], shape, strict=True):
            if not isinstance(field, wanted) or (isinstance(field, bool) and wanted is not bool):
                raise ProtocolError(f"a {message[0]!r} frame with a wrong field")
        return message


def exit_frame(status: int) -> bytes:
    """The frame the zygote ends a stream with: always of the same size."""
    return LENGTH.pack(14) + b'["exit",%5d]' % status


def check_text(text: str) -> bytes:
    """A value in text form that a worker sent, as bytes. Raises ProtocolError unless it is one."""
    try:
        raw = text.encode()
        if len(raw) > MAX_TEXT:
            raise ProtocolError(f"a value of {len(raw)} bytes")
        waiting = [(json.loads(raw), 1)]
    except (ValueError, RecursionError):
        raise ProtocolError("a value that is not JSON") from None
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH + 2:
            raise ProtocolError("a value with too many parts")
        if isinstance(value, dict):
            waiting.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            waiting.extend((item, depth + 1) for item in value)
        elif isinstance(value, float):
            if value - value != 0.0:
                raise ProtocolError("a number that is not finite")
        elif isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
            raise ProtocolError("an integer of more than 64 bits")
    return raw


def tell_error(error: LlmspellError) -> dict[str, Any]:
    """An error as plain data."""
    told: dict[str, Any] = {
        "type": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "frames": [list(frame) for frame in error.frames],
    }
    if isinstance(error, CapabilityError):
        told |= {"capability": error.capability, "retryable": error.retryable}
    elif isinstance(error, LimitExceeded):
        told["limit"] = error.limit
    elif isinstance(error, ScriptRuntimeError) and error.value is not None:
        told["value"] = _dumps(error.value)
    return told


def read_error(told: dict[str, Any]) -> LlmspellError:
    """The error a worker told of. Raises ProtocolError unless it can have happened there."""
    frames = read_frames(told.get("frames"))
    kind, code, message = (_text(told, key) for key in ("type", "code", "message"))
    if kind in CAPABILITY_ERRORS:
        return CAPABILITY_ERRORS[kind](
            message,
            code=code,
            capability=_text(told, "capability"),
            retryable=told.get("retryable") is True,
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
        value = json.loads(check_text(_text(told, "value"))) if "value" in told else None
        return ScriptRuntimeError(message, frames=frames, value=value)
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


def _text(told: dict[str, Any], key: str) -> str:
    value = told.get(key)
    if not isinstance(value, str):
        raise ProtocolError(f"an error without {key}")
    return value
