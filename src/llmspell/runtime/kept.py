"""Host objects that a script holds by handles, and the calls that use them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Kept:
    """A host object the script holds.

    given: how often its handle has crossed; the script holds it no more when it says so as often.
    calls: how many calls are using it; it stays until they have ended.
    size: bytes it was made from, which count as memory of the run while it is there.
    """

    __slots__ = ("calls", "given", "kind", "size", "thing")

    def __init__(self, kind: str, thing: Any) -> None:
        self.kind = kind
        self.thing = thing
        self.given = self.calls = self.size = 0


class Use:
    """The handles one call uses. A call that never began lets go of them too."""

    __slots__ = ("_let_go",)

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go: Callable[[], None] | None = let_go

    def end(self) -> None:
        """The call is over."""
        let_go, self._let_go = self._let_go, None
        if let_go is not None:
            let_go()

    __del__ = end


async def close(thing: Any) -> None:
    """Closes an object nobody holds any more."""
    # One that cannot be closed must not keep the others open.
    with suppress(Exception):
        await thing.close()
