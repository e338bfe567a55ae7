"""Clocks, dates and waiting."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ..errors import BadArgument
from .waits import Wait

if TYPE_CHECKING:
    from datetime import tzinfo

MAX_TEXT = 200
"""Characters of a date, a pattern or the name of a zone. Beyond it the C library writes megabytes
for one code, and a pattern to read by takes seconds to compile."""


def now() -> float:
    """Seconds since 1970-01-01 UTC."""
    return time.time()


def sleep(seconds: float, jitter: float = 0.0) -> Wait:
    """A wait of `seconds`, or up to the share `jitter` of it less."""
    if seconds < 0:
        raise BadArgument("seconds must not be below 0")
    if not 0 <= jitter <= 1:
        raise BadArgument("jitter must be from 0 to 1")
    if jitter:
        from random import random

        seconds -= seconds * jitter * random()
    return Wait(seconds)


def iso(seconds: float | None, zone: str) -> str:
    """A moment in ISO 8601, whole seconds."""
    from datetime import datetime

    try:
        moment = datetime.fromtimestamp(now() if seconds is None else seconds, _zone(zone))
    except (OverflowError, ValueError, OSError):
        raise BadArgument(f"{seconds} is not a moment of the calendar") from None
    return moment.isoformat(timespec="seconds")


def write(seconds: float, format: str, zone: str) -> str:
    """A moment by a strftime pattern."""
    from datetime import datetime

    _check_length(format)
    try:
        return datetime.fromtimestamp(seconds, _zone(zone)).strftime(format)
    except (OverflowError, ValueError, OSError):
        told = f"cannot write {seconds} as {format!r}: its year is none of the calendar's"
        raise BadArgument(told) from None


def read(text: str, format: str | None, zone: str) -> float:
    """A moment from ISO 8601 text, or by a strptime pattern."""
    from datetime import datetime

    _check_length(text)
    _check_length(format or "")
    try:
        moment = datetime.fromisoformat(text) if not format else datetime.strptime(text, format)
    except re.error:  # such as a code that is there twice
        raise BadArgument(f"cannot read by the format {format!r}") from None
    except ValueError as error:
        raise BadArgument(f"cannot read {text!r} as a date and time: {error}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(zone))
    return moment.timestamp()


def _zone(name: str) -> tzinfo:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    _check_length(name)
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise BadArgument(f"{name!r} is not a time zone; write it like Europe/Berlin") from None


def _check_length(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise BadArgument(f"{text[:20]!r}... is longer than {MAX_TEXT} characters")
