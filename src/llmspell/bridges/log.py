"""log: remarks for whoever runs the spell. They go to stderr, never into the output."""

from __future__ import annotations

from typing import Any

from ..capability import capability
from ..host.context import Context

Fields = dict[str, Any]


@capability("log.debug", since="0.1")
def debug(ctx: Context, message: str, fields: Fields | None = None) -> None:
    """Logs a detail; shown with -v.

    message: what happened.
    fields: named values to show with it.
    """
    ctx.log("debug", message, fields or {})


@capability("log.info", since="0.1")
def info(ctx: Context, message: str, fields: Fields | None = None) -> None:
    """Logs progress.

    message: what happened.
    fields: named values to show with it.
    """
    ctx.log("info", message, fields or {})


@capability("log.warn", since="0.1")
def warn(ctx: Context, message: str, fields: Fields | None = None) -> None:
    """Logs something that may be wrong.

    message: what happened.
    fields: named values to show with it.
    """
    ctx.log("warn", message, fields or {})


@capability("log.error", since="0.1")
def error(ctx: Context, message: str, fields: Fields | None = None) -> None:
    """Logs something that is wrong. The spell goes on.

    message: what happened.
    fields: named values to show with it.
    """
    ctx.log("error", message, fields or {})
