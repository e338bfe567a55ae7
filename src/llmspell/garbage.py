"""Work that makes thousands of small things at once, while no garbage is collected.

    unbroken(work, *args)    what `work` gives

The lists and maps of one value have Python walk through all that the process holds, again and
again, which takes a tenth of a second where model libraries are loaded. None of them is garbage.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def unbroken(work: Callable[..., T], *args: object) -> T:
    """What `work` gives, or raises. It is to be short: other threads collect nothing either."""
    if not gc.isenabled():
        return work(*args)
    gc.disable()
    try:
        return work(*args)
    finally:
        gc.enable()
