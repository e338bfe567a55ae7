"""What a script is told of a failure, and where in the host it arose.

    mapped(name, error, redact)   the error for the script
    settle(error, kept)           keeps where it arose, without what the host held there

The frames of a traceback hold their variables: the arguments of a call, and what was made of them.
A script may catch a hundred failures of a megabyte each, so only names and line numbers are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from traceback import TracebackException

from ..errors import (
    CapabilityError,
    FileFailure,
    HostFailure,
    LimitExceeded,
    LlmspellError,
    ScriptError,
)

MOST = 100
"""Failures of one run that are kept."""

LONGEST_MESSAGE = 4000
"""Characters of an error that a script is told: an argument may be in it, of any length."""


def mapped(name: str, error: Exception, redact: Callable[[str], str]) -> CapabilityError:
    """What the script is told when a call failed. Limits are not told, but raised: they end it."""
    if isinstance(error, LimitExceeded):
        raise error
    if isinstance(error, CapabilityError):
        if not error.capability:
            error.capability = name
        told = error
    elif isinstance(error, ScriptError):
        told = HostFailure(f"{name}: {error}", code="script", capability=name)
        told.details = error.details
    elif isinstance(error, LlmspellError):
        told = HostFailure(f"{name}: {error}", code=error.code, capability=name)
    elif isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        told = FileFailure(f"{name}: {reason}", capability=name)
    else:
        # What Python says of it is for whoever debugs llmspell; it may show the host's inside.
        text = f"{name} failed inside llmspell; run with --debug and report it"
        told = HostFailure(text, code="internal", capability=name)
    if told is not error:
        told.__cause__ = error
    # Before it is clipped: half a secret is a secret too.
    text = redact(told.message)
    clipped = len(text) > LONGEST_MESSAGE
    told.message = text[: LONGEST_MESSAGE - 3] + "..." if clipped else text
    told.args = (told.message,)
    return told


def settle(error: CapabilityError, kept: dict[str, CapabilityError]) -> None:
    """Lets go of the frames of an error and of those behind it.

    The first of a text is kept, with the lines of its frames: capabilities may pass it on.
    """
    if len(kept) < MOST and error.message not in kept:
        kept[error.message] = error
        error.host_trace = TracebackException.from_exception(error, lookup_lines=False)
    behind: list[BaseException | None] = [error]
    # What the program handles while it runs the spell is behind every error, and is its own.
    seen = {id(sys.exception())}
    while behind:
        each = behind.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        behind += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            behind += each.exceptions
