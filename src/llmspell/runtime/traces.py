"""Where in the host a failure arose, kept without what the host held there.

The frames of a traceback hold their variables: the arguments of a call, and what was made of them.
A script may catch a hundred failures of a megabyte each, so only names and line numbers are kept.
"""

from __future__ import annotations

import sys
from traceback import TracebackException

from ..errors import CapabilityError

MOST = 100
"""Failures of one run that are kept."""


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
