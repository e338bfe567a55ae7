"""stream: what comes piece by piece."""

from __future__ import annotations

from typing import Any

from ..capability import capability, handle
from ..errors import HostFailure
from ..host.context import Context
from ..host.llm.messages import StreamHandlers


@handle("stream", iterate="next", close="close")
class Stream:
    """An answer that is still coming.

    It can be iterated with the language's own loop; closing it early stops the work behind it.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        self.ended = self.closed = False

    async def next(self) -> Any:
        """The next piece; None at the end. Raises HostFailure when it was closed before that."""
        piece = None if self.closed else await self.source.next()
        if piece is None and self.closed and not self.ended:
            raise HostFailure("stream is closed", code="closed")
        self.ended = piece is None
        return piece

    async def close(self) -> None:
        """Stops the work behind it."""
        self.closed = True
        await self.source.close()


@capability("stream.next", since="0.1")
async def next_(ctx: Context, stream: Stream) -> Any:
    """Waits for the next piece. On a stream that was closed it fails with the code "closed".

    stream: the stream.
    returns: the piece, a text or what else the stream is of, or nothing at the end.
    """
    return await stream.next()


@capability("stream.each", since="0.1", again=True)
async def each(ctx: Context, stream: Stream, handlers: StreamHandlers) -> Any:
    """Reads a stream to its end and has functions told of it.

    stream: the stream.
    handlers: the functions; without on_error, an error is raised.
    returns: the whole answer, a Reply; nothing where a handler was given the error.
    """
    from ..host.llm.chats import read_through

    return await read_through(ctx, stream, handlers)


@capability("stream.reply", since="0.1")
def reply(ctx: Context, stream: Stream) -> Any:
    """Gives the whole answer of a stream that has ended, with what it used.

    stream: the stream; before its end this fails with the code "not_ended".
    returns: a Reply, or nothing for a stream that has none.
    """
    if not stream.ended:
        raise HostFailure("the stream has not ended: read it first", code="not_ended")
    return getattr(stream.source, "reply", None)


@capability("stream.close", since="0.1")
async def close(ctx: Context, stream: Stream) -> None:
    """Stops a stream early. Closing one that has ended does nothing.

    stream: the stream.
    """
    await stream.close()
