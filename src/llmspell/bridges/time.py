"""time: clocks, dates and waiting. Times are seconds since 1970-01-01 UTC."""

from __future__ import annotations

from ..capability import capability
from ..host import clock
from ..host.context import Context


@capability("time.now", since="0.1")
def now(ctx: Context) -> float:
    """Tells the time.

    returns: seconds since 1970-01-01 UTC, with fractions.
    """
    return clock.now()


@capability("time.iso", since="0.1", tool="datetime_now")
def iso(ctx: Context, seconds: float | None = None, zone: str = "UTC") -> str:
    """Tells the current date and time, or those of a given moment, in ISO 8601.

    seconds: the moment, in seconds since 1970-01-01 UTC; now when left out.
    zone: time zone, such as "Europe/Berlin".
    returns: for example 2026-01-31T09:30:00+00:00.
    """
    return clock.iso(seconds, zone)


@capability("time.format", since="0.1", tool="datetime_format")
def format(
    ctx: Context, seconds: float, format: str = "%Y-%m-%d %H:%M:%S", zone: str = "UTC"
) -> str:
    """Writes a moment as text.

    seconds: the moment, in seconds since 1970-01-01 UTC.
    format: a pattern of strftime codes.
    zone: time zone, such as "Europe/Berlin".
    returns: the text.
    """
    return clock.write(seconds, format, zone)


@capability("time.parse", since="0.1", tool="datetime_parse")
def parse(ctx: Context, text: str, format: str | None = None, zone: str = "UTC") -> float:
    """Reads a moment from text.

    text: a date and time, ISO 8601 unless a format is given.
    format: a pattern of strptime codes.
    zone: time zone of a text that names none.
    returns: seconds since 1970-01-01 UTC.
    """
    return clock.read(text, format, zone)


@capability("time.sleep", since="0.1", alias="sleep", pauses=True)
def sleep(ctx: Context, seconds: float, jitter: float = 0.0) -> None:
    """Waits. Other tasks of the spell go on.

    seconds: how long.
    jitter: share of it that is left to chance, from 0 to 1: it may be that much shorter.
    """
    return clock.sleep(seconds, jitter)  # type: ignore[return-value]
