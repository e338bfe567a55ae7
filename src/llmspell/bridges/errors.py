"""errors: catching, wrapping and telling apart what went wrong, and trying again.

Whatever stands for an error may be given: what was caught, a record of these functions, a text, or
a table with a message. Limits and cancellation are never caught.
"""

from __future__ import annotations

from typing import Any

from ..capability import capability
from ..host import errors
from ..host.breakers import SIZE, Breaker, BreakerOptions
from ..host.context import Context
from ..host.errors import ErrorRecord, RetryOptions
from ..values import FunctionRef
from . import breaker as breaker  # its handle must be declared before it is mentioned


@capability("errors.try", since="0.1", again=True)
async def try_(
    ctx: Context,
    fn: FunctionRef,
    handler: FunctionRef | None = None,
    cleanup: FunctionRef | None = None,
) -> Any:
    """Runs a function, and another one when it fails. Without a handler the error goes on.

    fn: the function.
    handler: is given the error, as an ErrorRecord, and gives the value instead.
    cleanup: runs at the end, whatever has happened, but a limit.
    returns: what the function gives, or else the handler.
    """
    return await errors.attempt(fn, handler, cleanup)


@capability("errors.fallback", since="0.1", again=True)
async def fallback(ctx: Context, primary: FunctionRef, alternative: FunctionRef) -> Any:
    """Runs a function, and another one when it fails. When both fail, the first is the cause.

    primary: the function.
    alternative: is given the error of the first.
    returns: what the first gives, or else the second.
    """
    return await errors.fallback(primary, alternative)


@capability("errors.retry", since="0.1", again=True)
async def retry(ctx: Context, fn: FunctionRef, options: RetryOptions = RetryOptions()) -> Any:
    """Runs a function until it succeeds or there is no point in trying again.

    fn: the function; it is given the number of the attempt.
    options: how often, when, and at which errors.
    returns: what the function gives. When it gives up, the last error has `attempts`.
    """
    return await errors.retry(ctx, fn, options)


@capability("errors.circuit_breaker", since="0.1", again=True)
def circuit_breaker(ctx: Context, options: BreakerOptions = BreakerOptions()) -> Breaker:
    """Makes a circuit breaker: after several failures it refuses calls for a while.

    options: when it opens and closes.
    returns: a closed circuit breaker.
    """
    ctx.meter.hold(SIZE)
    return Breaker(options)


@capability("errors.create", since="0.1")
def create(
    ctx: Context, message: str, code: str | None = None, context: dict[str, Any] | None = None
) -> ErrorRecord:
    """Makes an error, to be raised in the way of the language.

    message: what went wrong.
    code: a word for programs that read it.
    context: what else is worth knowing.
    returns: the error.
    """
    return errors.create(message, code, context)


@capability("errors.wrap", since="0.1")
def wrap(ctx: Context, err: Any, message: str, code: str | None = None) -> ErrorRecord:
    """Makes an error that has another one as its cause.

    err: the error behind it.
    message: what went wrong because of it.
    code: a word for programs that read it; that of the cause by default.
    returns: the error. It is retryable when its cause is.
    """
    return errors.wrap(err, message, code, ctx.sources)


@capability("errors.describe", since="0.1")
def describe(ctx: Context, err: Any) -> ErrorRecord:
    """Reads anything that was caught as a record.

    err: the error.
    returns: what is known of it.
    """
    return errors.record(err, ctx.sources)


@capability("errors.chain", since="0.1")
def chain(ctx: Context, err: Any) -> list[ErrorRecord]:
    """Lists an error and what caused it.

    err: the error.
    returns: the error first, the root of it last; 16 at most.
    """
    return errors.chain(err, ctx.sources)


@capability("errors.aggregate", since="0.1")
def aggregate(ctx: Context, items: list[Any]) -> ErrorRecord:
    """Makes one error of several.

    items: the errors, 100 at most.
    returns: an error with the code "aggregate", and `context.errors`.
    """
    return errors.aggregate(items, ctx.sources)


@capability("errors.is_retryable", since="0.1")
def is_retryable(ctx: Context, err: Any) -> bool:
    """Tells whether trying again may help.

    err: the error.
    returns: whether it may.
    """
    return errors.record(err, ctx.sources).retryable


@capability("errors.is_fatal", since="0.1")
def is_fatal(ctx: Context, err: Any) -> bool:
    """Tells whether it will fail again until a person changes something, such as a grant.

    err: the error.
    returns: whether its category is permission, limit, internal or cancelled.
    """
    return errors.is_fatal(err, ctx.sources)


@capability("errors.categorize", since="0.1")
def categorize(ctx: Context, err: Any) -> str:
    """Tells what kind of trouble an error is.

    err: the error.
    returns: "network", "validation", "permission", "not_found", "file", "limit", "cancelled",
        "host", "internal" or "script".
    """
    return errors.categorize(err, ctx.sources)


@capability("errors.to_json", since="0.1")
def to_json(ctx: Context, err: Any) -> str:
    """Writes an error as JSON.

    err: the error.
    returns: the text, in the form of `error` in the record of a run.
    """
    return errors.to_json(err, ctx.sources)


@capability("errors.from_json", since="0.1")
def from_json(ctx: Context, text: str) -> ErrorRecord:
    """Reads an error from JSON.

    text: what `to_json` wrote.
    returns: the error.
    """
    return errors.from_json(text)


@capability("errors.log", since="0.1")
def log(ctx: Context, err: Any, message: str | None = None) -> None:
    """Logs an error as data, at the level error.

    err: the error.
    message: what happened; the error's own message by default.
    """
    errors.log(ctx, err, message)
