"""What a process that was forked has to begin anew: it has none of its parent's other threads."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_child(call: Callable[[], object]) -> None:
    """Has `call` called in every process that is forked from this one, where there is a fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
