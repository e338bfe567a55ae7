"""Work that makes thousands of small things at once, while no garbage is collected.

    unbroken(work, *args)    what `work` gives

The lists and maps of one value have Python walk through all that the process holds, again and
again, which takes a tenth of a second where model libraries are loaded. None of them is garbage.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

from .forks import in_child

T = TypeVar("T")
_paused = False


def unbroken(work: Callable[..., T], *args: object) -> T:
    """What `work` gives, or raises. It is to be short: other threads collect nothing either."""
    if not gc.isenabled():
        return work(*args)
    global _paused
    _paused = True
    gc.disable()
    try:
        return work(*args)
    finally:
        gc.enable()
        _paused = False


def _fork() -> None:
    """Collects again in a process that was forked while another thread did not."""
    global _paused
    if _paused:
        _paused = False
        gc.enable()


in_child(_fork)
