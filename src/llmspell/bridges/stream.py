"""stream: what comes piece by piece."""

from __future__ import annotations

from typing import Any

from ..capability import capability, handle
from ..host.context import Context


@handle("stream", iterate="next", close="close")
class Stream:
    """An answer that is still coming.

    It can be iterated with the language's own loop; closing it early stops the work behind it.
    """

    def __init__(self, source: Any) -> None:
        self.source = source

    async def close(self) -> None:
        """Stops the work behind it."""
        await self.source.close()


@capability("stream.next", since="0.1")
async def next_(ctx: Context, stream: Stream) -> str | None:
    """Waits for the next piece.

    stream: the stream.
    returns: the piece, or nothing at the end.
    """
    piece: str | None = await stream.source.next()
    return piece


@capability("stream.close", since="0.1")
async def close(ctx: Context, stream: Stream) -> None:
    """Stops a stream early. Closing one that has ended does nothing.

    stream: the stream.
    """
    await stream.close()
