"""What scripts do with errors: catching, wrapping, telling kinds apart, trying again.

A function of a script is run with `run`, whose errors are all of one class, CapabilityError, and as
the script raised them. Limits and cancellation are not among them: nobody catches those.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .. import records
from ..errors import (
    BadArgument,
    CapabilityError,
    LimitExceeded,
    ScriptError,
    ScriptFailure,
)
from ..values import FunctionRef
from .formats import documents

if TYPE_CHECKING:
    from .context import Context

MAX_ERRORS = 100
"""Errors that one aggregate holds."""

MAX_ATTEMPTS = 1000

MAX_TEXT = 1024 * 1024
"""Characters of JSON that are read as an error."""


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """An error as plain data. What is not known is left out.

    message: what went wrong.
    type: what kind of error it is, such as "FileNotFound"; "ScriptRuntimeError" when a script's.
    code: a word for programs, such as "not_found"; "runtime" where a script gave none.
    file: name of the source where it happened.
    line: line in it, from 1.
    frames: the calls that led there, innermost first, each with file, line and function.
    capability: the capability that failed.
    retryable: whether trying again may help.
    cause: the error behind it, a record like this one.
    context: what else is known of it.
    attempts: how often it was tried.
    """

    message: str
    type: str = "ScriptRuntimeError"
    code: str = "runtime"
    file: str | None = None
    line: int | None = None
    frames: list[dict[str, Any]] | None = None
    capability: str | None = None
    retryable: bool = False
    cause: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """How to try again.

    max_attempts: how often to try at most, from 1 to 1000.
    strategy: how the delay grows: times `multiplier`, by `initial_delay`, or not at all.
    initial_delay: seconds to wait before the second attempt.
    max_delay: most seconds to wait before an attempt.
    multiplier: what each delay of the exponential strategy is of the one before.
    jitter: share of each delay that is left to chance, from 0 to 1: it may be that much shorter.
    retry_if: codes to try again at, or a function that is given the error and tells;
        by default an error that is retryable.
    """

    max_attempts: int = 3
    strategy: Literal["exponential", "linear", "constant"] = "exponential"
    initial_delay: float = 1.0
    max_delay: float = 30.0
    multiplier: float = 2.0
    jitter: float = 0.5
    retry_if: FunctionRef | list[str] | None = None


async def run(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Runs a function of the script. Raises CapabilityError as it failed."""
    try:
        return await function(*args)
    except ScriptError as error:
        failure = ScriptFailure(error.message, code=error.code, retryable=error.retryable)
        failure.frames, failure.variables = error.frames, error.variables
        failure.details = error.details
        raise failure from None


async def attempt(
    function: FunctionRef, handler: FunctionRef | None, cleanup: FunctionRef | None
) -> Any:
    """Runs `function`; at an error `handler`, with its record; `cleanup` at the end of either."""
    try:
        try:
            return await run(function)
        except CapabilityError as error:
            if handler is None:
                raise
            return await run(handler, records.tell(error))
    except LimitExceeded:
        cleanup = None  # the run is over: no function of it runs again
        raise
    finally:
        if cleanup is not None:
            await run(cleanup)


async def fallback(primary: FunctionRef, alternative: FunctionRef) -> Any:
    """What `primary` gives, or else `alternative`. When both fail, the first is the cause."""
    try:
        return await run(primary)
    except CapabilityError as error:
        first = records.tell(error)
    try:
        return await run(alternative, first)
    except CapabilityError as error:
        record = records.caused(records.tell(error), first)
        error.details = error.details | {"cause": record["cause"]}
        raise


async def retry(ctx: Context, function: FunctionRef, options: RetryOptions) -> Any:
    """Runs `function` until it succeeds, gives up with its last error. Waits through the gate, so
    that a replay waits for nothing and still takes every turn as it was."""
    delays = _delays(options)
    tried = 0
    while True:
        tried += 1
        try:
            return await run(function, tried)
        except CapabilityError as error:
            error.details = error.details | {"attempts": tried}
            if tried == options.max_attempts or not await _wanted(options.retry_if, error):
                raise
            delay = next(delays)
            wished = (error.details.get("context") or {}).get("retry_after")
            if isinstance(wished, int | float) and wished > delay:
                delay = min(float(wished), options.max_delay)
        await ctx.invoke("time.sleep", delay, options.jitter)


async def _wanted(retry_if: FunctionRef | list[str] | None, error: CapabilityError) -> bool:
    if retry_if is None:
        return error.retryable
    if isinstance(retry_if, FunctionRef):
        return (await run(retry_if, records.tell(error))) not in (None, False)
    return error.code in retry_if


def _delays(options: RetryOptions) -> Iterator[float]:
    """Seconds before each next attempt, without end. Checks the options first."""
    if not 1 <= options.max_attempts <= MAX_ATTEMPTS:
        raise BadArgument(f"errors.retry: options.max_attempts must be from 1 to {MAX_ATTEMPTS}")
    for name in ("initial_delay", "max_delay"):
        if getattr(options, name) < 0:
            raise BadArgument(f"errors.retry: options.{name} must not be below 0")
    if options.multiplier < 1:
        raise BadArgument("errors.retry: options.multiplier must be at least 1")
    if not 0 <= options.jitter <= 1:
        raise BadArgument("errors.retry: options.jitter must be from 0 to 1")

    def following() -> Iterator[float]:
        delay = options.initial_delay
        while True:
            yield min(delay, options.max_delay)
            if options.strategy == "exponential":
                delay = min(delay * options.multiplier, options.max_delay)
            elif options.strategy == "linear":
                delay = min(delay + options.initial_delay, options.max_delay)

    return following()


# Records.


def record(raised: Any, sources: Container[str]) -> ErrorRecord:
    """Anything a script raised or caught, as a record."""
    return ErrorRecord(**records.read(raised, sources))


def create(message: str, code: str | None, context: dict[str, Any] | None) -> ErrorRecord:
    """A new error of the script."""
    return record({"message": message, "code": code, "context": context}, ())


def wrap(raised: Any, message: str, code: str | None, sources: Container[str]) -> ErrorRecord:
    """A new error with what was raised as its cause, and as retryable."""
    cause = records.read(raised, sources)
    told = {"message": message, "code": code or cause["code"], "retryable": cause["retryable"]}
    return ErrorRecord(**records.caused(records.read(told), cause))


def chain(raised: Any, sources: Container[str]) -> list[ErrorRecord]:
    """The error and what caused it, the root last."""
    return [ErrorRecord(**link) for link in records.chain(records.read(raised, sources))]


def aggregate(raised: list[Any], sources: Container[str]) -> ErrorRecord:
    """One error for several. It is retryable when all of them are."""
    if not 1 <= len(raised) <= MAX_ERRORS:
        raise BadArgument(f"errors.aggregate: items must be a list of 1 to {MAX_ERRORS} errors")
    links = [records.read(item, sources) for item in raised]
    count = f"{len(links)} errors" if len(links) > 1 else "1 error"
    told = {
        "message": f"{count}: " + "; ".join(link["message"] for link in links),
        "code": "aggregate",
        "retryable": all(link["retryable"] for link in links),
        "context": {"errors": links},
    }
    return record(told, ())


CATEGORIES = {
    "ProviderFailure": "network",
    "BadArgument": "validation",
    "ManifestError": "validation",
    "ParamError": "validation",
    "Denied": "permission",
    "NotFound": "not_found",
    "FileNotFound": "not_found",
    "FileFailure": "file",
    "Cancelled": "cancelled",
    "HostFailure": "host",
    "StepLimit": "limit", "MemoryLimit": "limit", "TimeLimit": "limit", "OutputLimit": "limit",
    "DiskLimit": "limit", "CallLimit": "limit", "TaskLimit": "limit", "BudgetExceeded": "limit",
    "SpellCrashed": "internal",
    "InternalError": "internal",
}  # fmt: skip
"""Type of an error -> its category; any other is the script's own."""

CODES = {
    "internal": "internal", "denied": "permission", "key_refused": "permission",
    "bad_argument": "validation", "not_found": "not_found", "cancelled": "cancelled",
    "unreachable": "network", "timeout": "network", "rate_limited": "network",
}  # fmt: skip
"""Codes that say more than the type, which is one for all that scripts raise."""

FATAL = frozenset({"permission", "limit", "internal", "cancelled"})
"""Categories of errors that come back however often one tries, until a person changes something."""


def categorize(raised: Any, sources: Container[str]) -> str:
    """What kind of trouble it is: by its code, where that is a known one, else by its type."""
    told = records.read(raised, sources)
    return CODES.get(told["code"]) or CATEGORIES.get(told["type"], "script")


def is_fatal(raised: Any, sources: Container[str]) -> bool:
    """Whether trying again, or something else, makes no sense."""
    told = records.read(raised, sources)
    return not told["retryable"] and categorize(raised, sources) in FATAL


def to_json(raised: Any, sources: Container[str]) -> str:
    """JSON of the record, with everything that is not text of it written so that it can be."""
    return documents.to_json(records.read(raised, sources))


def log(ctx: Context, raised: Any, message: str | None) -> None:
    """Logs an error as data."""
    told = records.read(raised, ctx.sources)
    ctx.log("error", message or told["message"], {"error": told})


def from_json(text: str) -> ErrorRecord:
    """The record in a JSON text. Raises BadArgument."""
    if len(text) > MAX_TEXT:
        raise BadArgument(f"errors.from_json: text is longer than {MAX_TEXT} characters")
    told = documents.from_json(text)
    if not isinstance(told, dict) or not isinstance(told.get("message"), str):
        raise BadArgument("errors.from_json: text must be an object with a message")
    return record(told, ())
